//! A short string that is made and copied without asking for memory: names and ids of requests.

use std::fmt;
use std::ops::Deref;

/// So many bytes are kept in place; longer ones are allocated.
const SHORT: usize = 64;

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
            Kept::Here { bytes, length } => bytes
                .get(..usize::from(*length))
                .and_then(|bytes| std::str::from_utf8(bytes).ok())
                .unwrap_or_default(),
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_text_is_what_it_was_made_of(text in ".{0,80}") {
            prop_assert_eq!(&*Text::new(&text), &text);
            prop_assert_eq!(&*Text::lower(&text), &text.to_ascii_lowercase());
        }
    }
}
