//! The sticky cookie: a visitor comes back to the target that answered first.
//!
//! Its value is a keyed hash of the target: nothing about what is behind can be read from it, and
//! nobody can make one that leads to a target of their choice.

use std::sync::OnceLock;

use http::header::{COOKIE, HeaderMap, HeaderValue};
use sha2::{Digest, Sha256};

use crate::settings::StickySettings;

const TAG_BYTES: usize = 12;

static KEY: OnceLock<[u8; 32]> = OnceLock::new();

/// The key of this process: kept in the state file if there is one, else made anew at each start.
fn key() -> &'static [u8; 32] {
    KEY.get_or_init(rand::random)
}

/// The key in hexadecimal digits, for the state file.
#[must_use]
pub fn sticky_key_text() -> String {
    key().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Uses the key of an earlier process; false if it is none, or too late because a cookie was made.
#[must_use]
pub fn keep_sticky_key(text: &str) -> bool {
    parse_key(text).is_some_and(|key| KEY.set(key).is_ok())
}

fn parse_key(text: &str) -> Option<[u8; 32]> {
    let mut key = [0; 32];
    if text.len() != 2 * key.len() {
        return None;
    }
    for (byte, digits) in key.iter_mut().zip(text.as_bytes().chunks(2)) {
        let mut digits = digits.iter().map(|digit| char::from(*digit).to_digit(16));
        let value = digits.try_fold(0, |sum, digit| Some(sum * 16 + digit?))?;
        *byte = u8::try_from(value).ok()?;
    }
    Some(key)
}

/// What the cookie calls a target.
pub(super) fn tag(target: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(key());
    hash.update(target.as_bytes());
    let hash = hash.finalize();
    hash.iter()
        .take(TAG_BYTES)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// How visitors are kept.
#[derive(Debug)]
pub(crate) struct Sticky {
    name: String,
    attributes: String,
}

impl Sticky {
    /// # Errors
    /// The cookie's name is none (RFC 6265 4.1.1).
    pub(crate) fn new(settings: &StickySettings) -> Result<Self, String> {
        let good = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.!#$%&'*+^`|~".contains(&byte);
        if settings.cookie.is_empty() || !settings.cookie.bytes().all(good) {
            return Err(format!(
                "`{}` is no cookie's name: write letters, digits, `-` and `_`",
                settings.cookie
            ));
        }
        let age = settings.max_age.duration().as_secs();
        let mut attributes = "; Path=/; HttpOnly; SameSite=Lax".to_owned();
        if age > 0 {
            attributes.push_str(&format!("; Max-Age={age}"));
        }
        Ok(Self {
            name: settings.cookie.clone(),
            attributes,
        })
    }

    /// The tag that the visitor brings.
    pub(super) fn brought<'a>(&self, headers: &'a HeaderMap) -> Option<&'a [u8]> {
        headers
            .get_all(COOKIE)
            .iter()
            .flat_map(|value| value.as_bytes().split(|byte| *byte == b';'))
            .find_map(|pair| {
                pair.trim_ascii()
                    .strip_prefix(self.name.as_bytes())?
                    .strip_prefix(b"=")
            })
    }

    /// `Set-Cookie` for the target with this tag.
    pub(super) fn cookie(&self, tag: &str, secure: bool) -> Option<HeaderValue> {
        let secure = if secure { "; Secure" } else { "" };
        let text = format!("{}={tag}{}{secure}", self.name, self.attributes);
        HeaderValue::try_from(text).ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_key_is_read_as_it_was_written_and_nothing_else_is(key: [u8; 32], other in ".{0,80}") {
            let text: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
            prop_assert_eq!(parse_key(&text), Some(key));
            let is_key = other.len() == 64 && other.bytes().all(|byte| byte.is_ascii_hexdigit());
            prop_assert_eq!(parse_key(&other).is_some(), is_key);
        }

        #[test]
        fn no_cookie_makes_it_panic_and_what_is_found_stood_there(cookie in "[a-z=; ]{0,40}") {
            let sticky = Sticky::new(&StickySettings {
                cookie: "to".to_owned(),
                ..StickySettings::default()
            });
            let mut headers = HeaderMap::new();
            headers.insert(COOKIE, HeaderValue::from_str(&cookie).expect("value"));
            if let Some(tag) = sticky.expect("name").brought(&headers) {
                let pair = [b"to=", tag].concat();
                prop_assert!(cookie.as_bytes().windows(pair.len()).any(|part| part == pair));
            }
        }
    }

    #[test]
    fn the_cookie_is_found_among_others_and_only_by_its_whole_name() {
        let sticky = Sticky::new(&StickySettings {
            cookie: "to".to_owned(),
            ..StickySettings::default()
        })
        .expect("name");
        let brought = |cookie: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(COOKIE, HeaderValue::from_static(cookie));
            sticky
                .brought(&headers)
                .map(|tag| String::from_utf8_lossy(tag).into_owned())
        };
        assert_eq!(brought("a=b; to=12; c=d").as_deref(), Some("12"));
        assert_eq!(brought("to=12").as_deref(), Some("12"));
        assert_eq!(brought("too=12; goto=3"), None);
    }

    #[test]
    fn a_tag_tells_targets_apart_and_not_their_address() {
        assert_ne!(tag("127.0.0.1:1"), tag("127.0.0.1:2"));
        assert_eq!(tag("127.0.0.1:1").len(), 2 * TAG_BYTES);
    }

    #[test]
    fn a_name_that_breaks_the_header_is_refused() {
        for name in ["", "a b", "a;b", "a=b", "a\r\nb"] {
            let settings = StickySettings {
                cookie: name.to_owned(),
                ..StickySettings::default()
            };
            assert!(Sticky::new(&settings).is_err(), "{name:?}");
        }
    }
}
