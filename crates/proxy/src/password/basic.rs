//! The `Basic` scheme (RFC 7617).

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::general_purpose::GeneralPurpose;
use base64::engine::{DecodePaddingMode, GeneralPurposeConfig};
use http::HeaderMap;
use http::header::AUTHORIZATION;

/// Longer ones are nobody's.
const LONGEST: usize = 255;
/// Some programs forget the padding.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A name and a password.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The user's name.
    pub user: String,
    pub(super) password: String,
}

/// Never the password.
impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").finish_non_exhaustive()
    }
}

impl Credentials {
    /// From `Authorization`; `None` if there is none, several, or no well-formed `Basic` one.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let value = values.next()?.as_bytes();
        if values.next().is_some() {
            return None;
        }
        Self::parse(value)
    }

    fn parse(value: &[u8]) -> Option<Self> {
        let (_, token) =
            split(value).filter(|(scheme, _)| scheme.eq_ignore_ascii_case(b"basic"))?;
        let text = String::from_utf8(LENIENT.decode(token).ok()?).ok()?;
        let (user, password) = text.split_once(':')?;
        // RFC 7617 2: no control characters in either.
        let fine = |text: &str| text.len() <= LONGEST && !text.chars().any(char::is_control);
        (fine(user) && fine(password)).then(|| Self {
            user: user.to_owned(),
            password: password.to_owned(),
        })
    }
}

/// True if `Authorization` is for us: `Basic`.
#[must_use]
pub fn is_basic(headers: &HeaderMap) -> bool {
    headers.get_all(AUTHORIZATION).iter().any(|value| {
        split(value.as_bytes()).is_some_and(|(scheme, _)| scheme.eq_ignore_ascii_case(b"basic"))
    })
}

fn split(value: &[u8]) -> Option<(&[u8], &[u8])> {
    let space = value.iter().position(|byte| *byte == b' ')?;
    let (scheme, token) = value.split_at(space);
    Some((scheme, token.trim_ascii()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_and_passwords_are_told_apart() {
        let parse = |text: &str| Credentials::parse(text.as_bytes());
        let found = parse("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==").expect("credentials");
        assert_eq!(
            (found.user.as_str(), found.password.as_str()),
            ("Aladdin", "open sesame")
        );
        assert_eq!(parse("basic   QWxhZGRpbjpvcGVuIHNlc2FtZQ"), Some(found));
        let colons = parse("Basic YTpiOmM=").expect("a:b:c");
        assert_eq!(
            (colons.user.as_str(), colons.password.as_str()),
            ("a", "b:c")
        );
        for bad in [
            "",
            "Basic",
            "Basic ",
            "Basic YQ==",
            "Bearer QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
            "Basic YTpiAA==",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_value_makes_it_panic(value in any::<Vec<u8>>()) {
            drop(Credentials::parse(&value));
        }
    }
}
