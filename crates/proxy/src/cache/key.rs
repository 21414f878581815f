//! What an answer is stored under: scheme, host, port, path and query. Fields that `Vary` names are
//! compared after that ([`super::vary`]).

use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::{Arc, OnceLock};

use quick_cache::Equivalent;

/// A key in parts, for look-ups that allocate nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyRef<'a> {
    scheme: &'a str,
    host: &'a str,
    /// With its colon; empty for the scheme's own port.
    port: &'a str,
    target: &'a str,
    hash: u64,
}

/// A key that is kept.
#[derive(Debug, Clone)]
pub struct Key {
    text: Arc<str>,
    hash: u64,
}

impl<'a> KeyRef<'a> {
    /// `host` is in lower case and without port, `authority` is as the visitor wrote it.
    #[must_use]
    pub fn new(scheme: &'a str, host: &'a str, authority: &'a str, target: &'a str) -> Self {
        let port = match authority.rfind(':') {
            Some(colon) if !authority[colon..].contains(']') => &authority[colon..],
            _ => "",
        };
        let own = if scheme == "https" { ":443" } else { ":80" };
        let port = if port == own || port == ":" { "" } else { port };
        Self::of(scheme, host, port, target)
    }

    fn of(scheme: &'a str, host: &'a str, port: &'a str, target: &'a str) -> Self {
        // Seeded: visitors choose paths, and must not be able to choose ones that collide.
        static SEED: OnceLock<RandomState> = OnceLock::new();
        let mut hasher = SEED.get_or_init(RandomState::new).build_hasher();
        for part in [scheme, host, port, target] {
            part.hash(&mut hasher);
        }
        Self {
            scheme,
            host,
            port,
            target,
            hash: hasher.finish(),
        }
    }

    /// Of a URL; `None` if it is none with a host.
    #[must_use]
    pub fn parse(url: &'a str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at(end);
        let target = target.split('#').next().unwrap_or_default();
        let target = if target.is_empty() { "/" } else { target };
        let host = match authority.rfind(':') {
            Some(colon) if !authority[colon..].contains(']') => &authority[..colon],
            _ => authority,
        };
        (!host.is_empty()).then(|| Self::new(scheme, host, authority, target))
    }

    /// The same place, seen from a `Location` or `Content-Location`: another path of the same origin.
    #[must_use]
    pub fn resolve(&self, reference: &str) -> Option<Key> {
        if let Some(absolute) = KeyRef::parse(reference) {
            let same = absolute.scheme == self.scheme
                && absolute.host.eq_ignore_ascii_case(self.host)
                && absolute.port == self.port;
            return same.then(|| self.with_target(absolute.target).to_key());
        }
        if reference.starts_with("//") {
            return KeyRef::parse(&format!("{}:{reference}", self.scheme))
                .filter(|other| {
                    other.host.eq_ignore_ascii_case(self.host) && other.port == self.port
                })
                .map(|other| self.with_target(other.target).to_key());
        }
        let path = self.target.split('?').next().unwrap_or("/");
        let reference = reference.split('#').next().unwrap_or_default();
        let target = if reference.starts_with('/') {
            reference.to_owned()
        } else if reference.starts_with('?') {
            format!("{path}{reference}")
        } else {
            let directory = path.rfind('/').map_or("/", |at| &path[..=at]);
            format!("{directory}{reference}")
        };
        Some(self.with_target(&target).to_key())
    }

    fn with_target<'b>(&'b self, target: &'b str) -> KeyRef<'b> {
        KeyRef::of(self.scheme, self.host, self.port, target)
    }

    /// In lower case, without port.
    #[must_use]
    pub fn host(&self) -> &'a str {
        self.host
    }

    /// Without query.
    #[must_use]
    pub fn path(&self) -> &'a str {
        self.target.split('?').next().unwrap_or("/")
    }

    /// To keep it.
    #[must_use]
    pub fn to_key(self) -> Key {
        Key {
            hash: self.hash,
            text: Arc::from(self.to_string()),
        }
    }

    /// Of all keys; differs from process to process.
    #[must_use]
    pub fn hash_value(&self) -> u64 {
        self.hash
    }
}

impl fmt::Display for KeyRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}://{}{}{}",
            self.scheme, self.host, self.port, self.target
        )
    }
}

impl Hash for KeyRef<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

impl Equivalent<Key> for KeyRef<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        let rest = || {
            key.text
                .strip_prefix(self.scheme)?
                .strip_prefix("://")?
                .strip_prefix(self.host)?
                .strip_prefix(self.port)
        };
        self.hash == key.hash && rest() == Some(self.target)
    }
}

impl Key {
    /// Of a URL; `None` if it is none with a host.
    #[must_use]
    pub fn parse(url: &str) -> Option<Self> {
        let lower;
        let url = match url.split_once("://") {
            Some((scheme, rest)) => {
                let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
                let (authority, target) = rest.split_at(end);
                lower = format!("{scheme}://{authority}").to_ascii_lowercase() + target;
                &lower
            }
            None => url,
        };
        KeyRef::parse(url).map(KeyRef::to_key)
    }

    /// The URL.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Of all keys; differs from process to process.
    #[must_use]
    pub fn hash_value(&self) -> u64 {
        self.hash
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash && self.text == other.text
    }
}

impl Eq for Key {}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

#[cfg(test)]
mod tests {
    use quick_cache::Equivalent;

    use super::{Key, KeyRef};

    #[test]
    fn the_scheme_s_own_port_is_no_part_of_it() {
        let key = |scheme, authority| KeyRef::new(scheme, "a", authority, "/x?y").to_string();
        assert_eq!(key("http", "a:80"), "http://a/x?y");
        assert_eq!(key("https", "A:443"), "https://a/x?y");
        assert_eq!(key("https", "a:80"), "https://a:80/x?y");
        assert_eq!(key("http", "a:"), "http://a/x?y");
    }

    #[test]
    fn a_url_finds_what_a_request_stored() {
        for (url, key) in [
            (
                "HTTP://A.example:80/x?y#z",
                KeyRef::new("http", "a.example", "a.example", "/x?y"),
            ),
            (
                "https://[::1]:8443",
                KeyRef::new("https", "[::1]", "[::1]:8443", "/"),
            ),
        ] {
            let parsed = Key::parse(url).expect("a URL");
            assert!(key.equivalent(&parsed), "{url}: {}", parsed.as_str());
            assert_eq!(key.to_key(), parsed);
        }
        assert_eq!(Key::parse("/x"), None);
    }

    #[test]
    fn references_stay_within_the_origin() {
        let key = KeyRef::new("http", "a", "a:81", "/dir/page?q");
        for (reference, found) in [
            ("/y", Some("http://a:81/y")),
            ("y?z", Some("http://a:81/dir/y?z")),
            ("?z", Some("http://a:81/dir/page?z")),
            ("http://A:81/y#f", Some("http://a:81/y")),
            ("//a:81/y", Some("http://a:81/y")),
            ("http://a/y", None),
            ("https://a:81/y", None),
            ("//b/y", None),
        ] {
            let resolved = key.resolve(reference);
            assert_eq!(resolved.as_ref().map(Key::as_str), found, "{reference}");
        }
    }
}
