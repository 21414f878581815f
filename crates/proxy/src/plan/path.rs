//! The form of a request's path that routes are compared with.
//!
//! An application decodes `%61dmin` to `admin`, and many take `//admin` for `/admin`: a route that
//! protects `/admin` must cover all of these. So paths are decoded and runs of slashes count as one,
//! here and in the settings; what is passed on stays as the visitor sent it.

use std::borrow::Cow;

/// `raw` decoded, with runs of slashes made one. Nothing is allocated for the usual path.
#[must_use]
pub fn normal(raw: &str) -> Cow<'_, str> {
    if !raw.contains('%') && !raw.contains("//") {
        return Cow::Borrowed(raw);
    }
    let mut out = Vec::with_capacity(raw.len());
    for (_, byte) in Decoded::new(raw.as_bytes()) {
        if byte != b'/' || out.last() != Some(&b'/') {
            out.push(byte);
        }
    }
    match String::from_utf8(out) {
        Ok(text) => Cow::Owned(text),
        Err(error) => Cow::Owned(String::from_utf8_lossy(error.as_bytes()).into_owned()),
    }
}

/// How many bytes of `raw` the first `length` bytes of its normal form stand for.
#[must_use]
pub fn raw_length(raw: &str, length: usize) -> usize {
    if !raw.contains('%') && !raw.contains("//") {
        return length.min(raw.len());
    }
    let mut count = 0;
    let mut last = 0;
    for (start, byte) in Decoded::new(raw.as_bytes()) {
        let merged = byte == b'/' && last == b'/';
        if count == length && !merged {
            return start;
        }
        count += usize::from(!merged);
        last = byte;
    }
    raw.len()
}

/// Decoded bytes with the places where each begins.
struct Decoded<'a> {
    raw: &'a [u8],
    at: usize,
}

impl<'a> Decoded<'a> {
    fn new(raw: &'a [u8]) -> Self {
        Self { raw, at: 0 }
    }
}

impl Iterator for Decoded<'_> {
    type Item = (usize, u8);

    fn next(&mut self) -> Option<(usize, u8)> {
        let start = self.at;
        let byte = *self.raw.get(start)?;
        let digit = |at: usize| {
            let digit = char::from(*self.raw.get(at)?).to_digit(16)?;
            u8::try_from(digit).ok()
        };
        if byte == b'%'
            && let (Some(high), Some(low)) = (digit(start + 1), digit(start + 2))
        {
            self.at = start + 3;
            return Some((start, high << 4 | low));
        }
        self.at = start + 1;
        Some((start, byte))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn escapes_are_decoded_and_slashes_merged() {
        for (raw, expected) in [
            ("/a/b", "/a/b"),
            ("/%61dmin", "/admin"),
            ("//admin///x", "/admin/x"),
            ("/%2Fadmin", "/admin"),
            ("/a%", "/a%"),
            ("/caf%C3%A9", "/café"),
            ("/%ff", "/\u{fffd}"),
        ] {
            assert_eq!(normal(raw), expected, "{raw}");
        }
    }

    #[test]
    fn the_rest_behind_a_prefix_is_the_raw_one() {
        for (raw, length, rest) in [
            ("/static/x", 8, "x"),
            ("/%73tatic/x%20y", 8, "x%20y"),
            ("//static//x", 8, "x"),
            ("/static", 7, ""),
            ("/%73tatic", 7, ""),
            ("/a", 9, ""),
        ] {
            assert_eq!(&raw[raw_length(raw, length)..], rest, "{raw}");
        }
    }

    proptest! {
        #[test]
        fn what_is_left_after_a_cut_is_normalised_to_the_rest(raw in "[/%a-f0-9]{0,24}", cut in 0_usize..24) {
            let whole = normal(&raw).into_owned();
            prop_assert!(!whole.contains("//"));
            let at = raw_length(&raw, cut);
            prop_assert!(at <= raw.len());
            if let (Some(expected), true) = (whole.get(cut..), whole.is_ascii() && !whole.contains('%')) {
                let rest = normal(&raw[at..]).into_owned();
                let expected = if whole.get(..cut).is_some_and(|head| head.ends_with('/')) {
                    expected.trim_start_matches('/')
                } else {
                    expected
                };
                prop_assert_eq!(rest, expected);
            }
        }
    }
}
