//! A short string that is made and copied without asking for memory: names and ids of requests.

use std::fmt;
use std::io::Write;
use std::net::IpAddr;
use std::ops::Deref;

/// So many bytes are kept in place; longer ones are allocated.
const SHORT: usize = 64;
/// Length of the longest IPv4 address.
const MOST_IPV4: usize = 15;

/// A string.
#[derive(Clone)]
pub struct Text(Kept);

#[derive(Clone)]
enum Kept {
    Here { bytes: [u8; SHORT], length: u8 },
    Elsewhere(Box<str>),
}

impl Text {
    /// Of `text`.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let mut bytes = [0; SHORT];
        match (bytes.get_mut(..text.len()), u8::try_from(text.len())) {
            (Some(space), Ok(length)) => {
                space.copy_from_slice(text.as_bytes());
                Self(Kept::Here { bytes, length })
            }
            _ => Self(Kept::Elsewhere(text.into())),
        }
    }

    /// As it is.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self
    }

    /// Its bytes, which need not be looked at again to be text.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Kept::Here { bytes, length } => bytes.get(..usize::from(*length)).unwrap_or_default(),
            Kept::Elsewhere(text) => text.as_bytes(),
        }
    }

    /// With ASCII letters made small.
    #[must_use]
    pub fn lower(text: &str) -> Self {
        let mut made = Self::new(text);
        match &mut made.0 {
            Kept::Here { bytes, .. } => bytes.make_ascii_lowercase(),
            Kept::Elsewhere(text) => text.make_ascii_lowercase(),
        }
        made
    }
}

impl Default for Text {
    fn default() -> Self {
        Self::new("")
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        match &self.0 {
            Kept::Here { .. } => std::str::from_utf8(self.as_bytes()).unwrap_or_default(),
            Kept::Elsewhere(text) => text,
        }
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

/// Writes `number` to `out`.
pub fn decimal(out: &mut Vec<u8>, number: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    let mut left = number;
    loop {
        at -= 1;
        if let Some(digit) = digits.get_mut(at) {
            // Below 10.
            *digit = b'0' + u8::try_from(left % 10).unwrap_or_default();
        }
        left /= 10;
        if left == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.get(at..).unwrap_or_default());
}

/// Writes `address` to `out`. Every request does so, several times.
pub fn address(out: &mut Vec<u8>, address: IpAddr) {
    match address {
        IpAddr::V4(address) => {
            out.reserve(MOST_IPV4);
            for (index, octet) in address.octets().into_iter().enumerate() {
                if index > 0 {
                    out.push(b'.');
                }
                if octet >= 100 {
                    out.push(b'0' + octet / 100);
                }
                if octet >= 10 {
                    out.push(b'0' + octet / 10 % 10);
                }
                out.push(b'0' + octet % 10);
            }
        }
        // Writing to memory does not fail.
        IpAddr::V6(address) => drop(write!(out, "{address}")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_and_addresses_are_written_as_everywhere(number: u64, one: IpAddr) {
            let mut out = Vec::new();
            decimal(&mut out, number);
            out.push(b' ');
            address(&mut out, one);
            prop_assert_eq!(out, format!("{number} {one}").into_bytes());
        }

        #[test]
        fn a_text_is_what_it_was_made_of(text in ".{0,80}") {
            prop_assert_eq!(&*Text::new(&text), &text);
            prop_assert_eq!(&*Text::lower(&text), &text.to_ascii_lowercase());
        }
    }
}
