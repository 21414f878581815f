//! The lines of a head, of a request or an answer (RFC 9112 2.2 and 5), read strictly.

use std::ops::Range;

/// A line that ends in LF alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BareFeed;

/// Where the parts of a field line are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Length of the name, which stands in front.
    pub name: usize,
    /// The value, without the white space around it.
    pub value: Range<usize>,
}

impl Field {
    /// True if one space is all the white space in `line`.
    #[must_use]
    pub fn is_plain_in(&self, line: &[u8]) -> bool {
        let space = self.name + 1;
        self.value == (space + 1..line.len()) && line.get(space) == Some(&b' ')
    }
}

/// The line that begins at `start`, without its end, and where the next one begins; `None` if it has no
/// end yet. A CR elsewhere is found by whoever looks at the line's parts.
///
/// # Errors
/// It ends in LF alone.
pub fn next(bytes: &[u8], start: usize) -> Result<Option<(Range<usize>, usize)>, BareFeed> {
    let rest = bytes.get(start..).unwrap_or_default();
    let Some(length) = memchr::memchr(b'\n', rest) else {
        return Ok(None);
    };
    match rest.get(..length) {
        Some([line @ .., b'\r']) => Ok(Some((start..start + line.len(), start + length + 1))),
        _ => Err(BareFeed),
    }
}

/// `name: value`: no space before the colon, no folded line, no control character.
#[must_use]
pub fn field(line: &[u8]) -> Option<Field> {
    let name = line.iter().position(|byte| !is_token_byte(*byte))?;
    let behind = name + 1;
    let value = line.get(behind..)?;
    if name == 0 || line.get(name) != Some(&b':') || !is_field_value(value) {
        return None;
    }
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let leading = value.iter().take_while(|byte| blank(byte)).count();
    let rest = value.get(leading..).unwrap_or_default();
    let trailing = rest.iter().rev().take_while(|byte| blank(byte)).count();
    Some(Field {
        name,
        value: behind + leading..line.len() - trailing,
    })
}

/// RFC 9110 5.6.2.
#[must_use]
pub fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|byte| is_token_byte(*byte))
}

fn is_token_byte(byte: u8) -> bool {
    const TOKEN: [bool; 256] = {
        let mut table = [false; 256];
        let mut byte = 0;
        while byte < 256 {
            table[byte] = matches!(byte as u8, b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'!'
                | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~');
            byte += 1;
        }
        table
    };
    TOKEN[usize::from(byte)]
}

/// RFC 9110 5.5: visible characters, space, tab and the obsolete upper half; no NUL, CR, LF or other
/// control.
#[must_use]
pub fn is_field_value(text: &[u8]) -> bool {
    let good = |byte: &u8| *byte == b'\t' || (*byte >= b' ' && *byte != 0x7f);
    let Some(last) = text.last_chunk() else {
        return text.iter().all(good);
    };
    let fine = |chunk: &[u8; 8]| has_no_control(*chunk) || chunk.iter().all(good);
    // The last eight bytes may be looked at twice: that is less work than one by one.
    text.as_chunks().0.iter().all(fine) && fine(last)
}

/// False also for some chunks without one: it looks at eight bytes at once.
fn has_no_control(chunk: [u8; 8]) -> bool {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let bytes = u64::from_ne_bytes(chunk);
    let deletes = bytes ^ (ONES * 0x7f);
    let low = bytes.wrapping_sub(ONES * 0x20) & !bytes;
    let zero = deletes.wrapping_sub(ONES) & !deletes;
    (low | zero) & (ONES * 0x80) == 0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parts(line: &str) -> Option<(&str, &str)> {
        let found = field(line.as_bytes())?;
        Some((line.get(..found.name)?, line.get(found.value)?))
    }

    #[test]
    fn a_field_is_a_token_a_colon_and_a_value() {
        assert_eq!(parts("Host: a.example"), Some(("Host", "a.example")));
        assert_eq!(parts("x-1:\t a \t b \t"), Some(("x-1", "a \t b")));
        assert_eq!(parts("x:"), Some(("x", "")));
        assert_eq!(parts("x:  \t"), Some(("x", "")));
        for line in [
            "", "x", ":a", "x : a", " x: a", "\tx: a", "x: \r", "(: a", "x: a\0",
        ] {
            assert_eq!(parts(line), None, "{line:?}");
        }
    }

    #[test]
    fn a_plain_field_has_one_space() {
        for (line, plain) in [
            ("a: b", true),
            ("a: b c", true),
            ("a: ", true),
            ("a:b", false),
        ] {
            let found = field(line.as_bytes()).expect("a field");
            assert_eq!(found.is_plain_in(line.as_bytes()), plain, "{line:?}");
        }
        for line in ["a:  b", "a:\tb", "a: b ", "a:b "] {
            let found = field(line.as_bytes()).expect("a field");
            assert!(!found.is_plain_in(line.as_bytes()), "{line:?}");
        }
    }

    #[test]
    fn a_line_ends_in_cr_lf() {
        assert_eq!(next(b"ab\r\nc", 0), Ok(Some((0..2, 4))));
        assert_eq!(next(b"ab\r\n\r\n", 4), Ok(Some((4..4, 6))));
        assert_eq!(next(b"ab\r", 0), Ok(None));
        assert_eq!(next(b"ab\n", 0), Err(BareFeed));
        assert_eq!(next(b"\n", 0), Err(BareFeed));
    }

    proptest! {
        #[test]
        fn values_and_tokens_are_judged_byte_by_byte(text: Vec<u8>) {
            let value = |byte: &u8| matches!(byte, b'\t' | b' '..=0x7e | 0x80..);
            prop_assert_eq!(is_field_value(&text), text.iter().all(value));
            let token = |byte: &u8| {
                byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte)
            };
            prop_assert_eq!(is_token(&text), !text.is_empty() && text.iter().all(token));
        }

        #[test]
        fn a_long_value_is_judged_like_a_short_one(text in "[ -~\t]{0,60}", bad in 0_usize..60, byte: u8) {
            let mut text = text.into_bytes();
            if let Some(place) = text.get_mut(bad) {
                *place = byte;
            }
            let value = |byte: &u8| matches!(byte, b'\t' | b' '..=0x7e | 0x80..);
            prop_assert_eq!(is_field_value(&text), text.iter().all(value));
        }
    }
}
