//! The little of DER (X.690) that OCSP needs: tags of one byte, definite lengths.

pub(super) const INTEGER: u8 = 0x02;
pub(super) const BIT_STRING: u8 = 0x03;
pub(super) const OCTET_STRING: u8 = 0x04;
pub(super) const OID: u8 = 0x06;
pub(super) const ENUMERATED: u8 = 0x0a;
pub(super) const GENERALIZED_TIME: u8 = 0x18;
pub(super) const SEQUENCE: u8 = 0x30;

/// `[number]`, constructed.
pub(super) const fn context(number: u8) -> u8 {
    0xa0 | number
}

/// Reads one element after the other.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'a>(&'a [u8]);

/// One element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Element<'a> {
    pub(super) tag: u8,
    pub(super) content: &'a [u8],
    /// With its tag and length.
    pub(super) whole: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The next element; `None` at the end, and when it is broken.
    pub(super) fn next(&mut self) -> Option<Element<'a>> {
        let (tag, rest) = self.0.split_first()?;
        let (length, rest) = length(rest)?;
        let (content, rest) = rest.split_at_checked(length)?;
        let whole = self.0.get(..self.0.len() - rest.len())?;
        // Tags of several bytes are not ours.
        if tag & 0x1f == 0x1f {
            return None;
        }
        self.0 = rest;
        Some(Element {
            tag: *tag,
            content,
            whole,
        })
    }

    /// The next element, if it has this tag.
    pub(super) fn take(&mut self, tag: u8) -> Option<Element<'a>> {
        let mut ahead = *self;
        let element = ahead.next().filter(|element| element.tag == tag)?;
        *self = ahead;
        Some(element)
    }

    /// What is inside the next element, if it has this tag.
    pub(super) fn enter(&mut self, tag: u8) -> Option<Self> {
        self.take(tag).map(|element| Self(element.content))
    }
}

/// X.690 8.1.3; at most four bytes.
fn length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (first, rest) = bytes.split_first()?;
    if first & 0x80 == 0 {
        return Some((usize::from(*first), rest));
    }
    let count = usize::from(first & 0x7f);
    if !(1..=4).contains(&count) {
        return None;
    }
    let (digits, rest) = rest.split_at_checked(count)?;
    let length = digits
        .iter()
        .fold(0, |length, digit| (length << 8) | usize::from(*digit));
    Some((length, rest))
}

/// An element with this content.
pub(super) fn write(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut element = vec![tag];
    let length = content.len();
    match u8::try_from(length) {
        Ok(short) if short < 0x80 => element.push(short),
        _ => {
            let digits = length.to_be_bytes();
            let leading = digits.iter().take_while(|digit| **digit == 0).count();
            let digits = digits.get(leading..).unwrap_or_default();
            element.push(0x80 | u8::try_from(digits.len()).unwrap_or(0));
            element.extend_from_slice(digits);
        }
    }
    element.extend_from_slice(content);
    element
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn indefinite_and_broken_lengths_are_refused() {
        for broken in [
            &[0x30, 0x80, 0, 0][..],
            &[0x30, 0x85, 0, 0, 0, 0, 1, 0],
            &[0x30, 5, 1],
            &[0x30, 0x82, 1],
            &[0x1f, 0x81, 0],
            &[0x30],
            &[],
        ] {
            assert_eq!(Reader::new(broken).next(), None, "{broken:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(tag in 0u8..0x1f, content in proptest::collection::vec(any::<u8>(), 0..70_000)) {
            let mut bytes = write(tag, &content);
            let length = bytes.len();
            bytes.extend_from_slice(&[1, 2, 3]);
            let mut reader = Reader::new(&bytes);
            let element = reader.next().expect("element");
            prop_assert_eq!((element.tag, element.content), (tag, &content[..]));
            prop_assert_eq!(element.whole.len(), length);
            prop_assert_eq!(reader.0, &[1, 2, 3][..]);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let mut reader = Reader::new(&bytes);
            while reader.next().is_some() {}
        }
    }
}
