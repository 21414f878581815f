//! One range of a stored answer (RFC 9110 14.2). Several ranges in one request are answered with the
//! whole, as the RFC allows.

/// What a `Range` asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// Everything: no range, or one that must be ignored.
    All,
    /// First byte and length.
    Part(u64, u64),
    /// What lies behind the end: 416.
    Nothing,
}

/// Reads `value` for a body of `length` bytes.
#[must_use]
pub(super) fn parse(value: &str, length: u64) -> Asked {
    asked(value, length).unwrap_or(Asked::All)
}

fn asked(value: &str, length: u64) -> Option<Asked> {
    let (unit, range) = value.split_once('=')?;
    if !unit.eq_ignore_ascii_case("bytes") {
        return None;
    }
    let (first, last) = range.trim().split_once('-')?;
    if first.is_empty() {
        let suffix = number(last)?.min(length);
        return Some(match suffix {
            0 => Asked::Nothing,
            suffix => Asked::Part(length - suffix, suffix),
        });
    }
    let first = number(first)?;
    let last = if last.is_empty() {
        u64::MAX
    } else {
        number(last)?
    };
    if last < first {
        return None;
    }
    if first >= length {
        return Some(Asked::Nothing);
    }
    Some(Asked::Part(first, last.min(length - 1) - first + 1))
}

fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Asked, parse};

    #[test]
    fn one_range_is_a_part_and_everything_else_the_whole() {
        for (value, asked) in [
            ("bytes=0-1", Asked::Part(0, 2)),
            ("bytes=1-", Asked::Part(1, 9)),
            ("bytes=-3", Asked::Part(7, 3)),
            ("bytes=-99", Asked::Part(0, 10)),
            ("Bytes=5-99", Asked::Part(5, 5)),
            ("bytes=10-", Asked::Nothing),
            ("bytes=-0", Asked::Nothing),
            ("bytes=3-2", Asked::All),
            ("bytes=0-1,3-4", Asked::All),
            ("bytes=a-", Asked::All),
            ("lines=0-1", Asked::All),
            ("bytes", Asked::All),
        ] {
            assert_eq!(parse(value, 10), asked, "{value}");
        }
        assert_eq!(parse("bytes=0-", 0), Asked::Nothing);
    }

    proptest! {
        #[test]
        fn a_part_lies_within(value in "bytes=[0-9]{0,20}-[0-9]{0,20}", length in any::<u64>()) {
            if let Asked::Part(first, count) = parse(&value, length) {
                prop_assert!(count > 0 && first.checked_add(count).is_some_and(|end| end <= length));
            }
        }
    }
}
