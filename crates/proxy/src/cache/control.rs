//! `Cache-Control` of requests and answers (RFC 9111 5.2), read conservatively: what is malformed or
//! said twice never makes an answer fresher or more widely shared than its plainest reading.

#[cfg(test)]
mod tests;

use http::HeaderMap;
use http::header::{CACHE_CONTROL, HeaderName, PRAGMA};

/// The largest number of seconds (RFC 9111 1.2.2); larger ones count as this.
pub const MOST_SECONDS: u32 = 1 << 31;

/// The directives of one message. A request uses other ones than an answer; both are read alike.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Directives {
    /// 5.2.1.5, 5.2.2.5.
    pub no_store: bool,
    /// 5.2.1.4, 5.2.2.4, without field names.
    pub no_cache: bool,
    /// 5.2.2.7, without field names.
    pub private: bool,
    /// Fields that `no-cache="…"` or `private="…"` keep out of shared answers.
    pub withheld: Vec<HeaderName>,
    /// 5.2.2.9.
    pub public: bool,
    /// 5.2.2.2.
    pub must_revalidate: bool,
    /// 5.2.2.8.
    pub proxy_revalidate: bool,
    /// 5.2.2.3.
    pub must_understand: bool,
    /// 5.2.1.7.
    pub only_if_cached: bool,
    /// 5.2.1.1, 5.2.2.1; malformed: 0.
    pub max_age: Option<u32>,
    /// 5.2.2.10; malformed: 0.
    pub s_maxage: Option<u32>,
    /// 5.2.1.3.
    pub min_fresh: Option<u32>,
    /// 5.2.1.2; without a number: [`MOST_SECONDS`].
    pub max_stale: Option<u32>,
    /// RFC 5861 3.
    pub stale_while_revalidate: Option<u32>,
    /// RFC 5861 4.
    pub stale_if_error: Option<u32>,
}

impl Directives {
    /// Of all `Cache-Control` fields.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Self {
        let mut directives = Self::default();
        for value in headers.get_all(CACHE_CONTROL) {
            directives.read(value.as_bytes());
        }
        directives
    }

    /// Of a request: `Pragma: no-cache` counts where there is no `Cache-Control` (RFC 9111 5.4).
    #[must_use]
    pub fn of_request(headers: &HeaderMap) -> Self {
        let mut directives = Self::of(headers);
        if !headers.contains_key(CACHE_CONTROL) && headers.contains_key(PRAGMA) {
            directives.no_cache = headers
                .get_all(PRAGMA)
                .iter()
                .filter_map(|value| value.to_str().ok())
                .flat_map(|value| value.split(','))
                .any(|word| word.trim().eq_ignore_ascii_case("no-cache"));
        }
        directives
    }

    /// Of one field's value.
    #[must_use]
    pub fn parse(value: &[u8]) -> Self {
        let mut directives = Self::default();
        directives.read(value);
        directives
    }

    fn read(&mut self, value: &[u8]) {
        let mut rest = value;
        while let Some((name, argument, after)) = next(rest) {
            self.set(name, &argument);
            rest = after;
        }
    }

    fn set(&mut self, name: &[u8], argument: &Argument<'_>) {
        let is = |other: &str| name.eq_ignore_ascii_case(other.as_bytes());
        let seconds = argument.seconds();
        if is("max-age") {
            self.max_age = least(self.max_age, seconds.unwrap_or(0));
        } else if is("s-maxage") {
            self.s_maxage = least(self.s_maxage, seconds.unwrap_or(0));
        } else if is("stale-while-revalidate") {
            self.stale_while_revalidate = least(self.stale_while_revalidate, seconds.unwrap_or(0));
        } else if is("stale-if-error") {
            self.stale_if_error = least(self.stale_if_error, seconds.unwrap_or(0));
        } else if is("min-fresh") {
            self.min_fresh = self.min_fresh.max(seconds);
        } else if is("max-stale") {
            let seconds = match argument {
                Argument::None => MOST_SECONDS,
                _ => seconds.unwrap_or(0),
            };
            self.max_stale = least(self.max_stale, seconds);
        } else {
            self.set_flag(is, argument);
        }
    }

    fn set_flag(&mut self, is: impl Fn(&str) -> bool, argument: &Argument<'_>) {
        // What forbids counts in any form, what allows only as it is written in the RFC.
        if is("no-store") {
            self.no_store = true;
        } else if is("no-cache") {
            self.no_cache |= !self.withhold(argument);
        } else if is("private") {
            self.private |= !self.withhold(argument);
        } else if is("must-revalidate") {
            self.must_revalidate = true;
        } else if is("proxy-revalidate") {
            self.proxy_revalidate = true;
        } else if is("only-if-cached") {
            self.only_if_cached = true;
        } else if is("public") {
            self.public |= matches!(argument, Argument::None);
        } else if is("must-understand") {
            self.must_understand |= matches!(argument, Argument::None);
        }
    }

    /// True if `argument` is a list of field names, which were noted.
    fn withhold(&mut self, argument: &Argument<'_>) -> bool {
        let Argument::Value(list) = argument else {
            return false;
        };
        let names: Vec<&[u8]> = list
            .split(|byte| *byte == b',')
            .map(<[u8]>::trim_ascii)
            .filter(|name| !name.is_empty())
            .collect();
        let parsed: Vec<HeaderName> = names
            .iter()
            .filter_map(|name| HeaderName::from_bytes(name).ok())
            .collect();
        let good = !parsed.is_empty() && parsed.len() == names.len();
        if good {
            self.withheld.extend(parsed);
        }
        good
    }
}

/// Said twice: the smaller number counts.
fn least(old: Option<u32>, new: u32) -> Option<u32> {
    Some(old.map_or(new, |old| old.min(new)))
}

/// What follows a directive's name.
#[derive(Debug, PartialEq, Eq)]
enum Argument<'a> {
    None,
    /// A token, or the inside of a quoted text without escapes.
    Value(&'a [u8]),
    Malformed,
}

impl Argument<'_> {
    fn seconds(&self) -> Option<u32> {
        match self {
            Self::Value(digits) => seconds(digits),
            _ => None,
        }
    }
}

/// RFC 9111 1.2.2: digits alone; what is too large counts as [`MOST_SECONDS`].
#[must_use]
pub fn seconds(digits: &[u8]) -> Option<u32> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let mut number = 0_u32;
    for digit in digits {
        number = number
            .saturating_mul(10)
            .saturating_add(u32::from(digit - b'0'));
    }
    Some(number.min(MOST_SECONDS))
}

/// The next directive and what follows it.
fn next(text: &[u8]) -> Option<(&[u8], Argument<'_>, &[u8])> {
    let mut rest = text;
    loop {
        rest = rest.trim_ascii_start();
        match rest.split_first()? {
            (b',', after) => rest = after,
            _ => break,
        }
    }
    let (item, after) = rest.split_at(item_end(rest));
    let name_end = item
        .iter()
        .position(|byte| !is_token(*byte))
        .unwrap_or(item.len());
    let (name, argument) = item.split_at(name_end);
    Some((name, self::argument(argument.trim_ascii_end()), after))
}

/// Where the item ends: at a comma outside of quotes. A quote that never closes swallows the rest.
fn item_end(text: &[u8]) -> usize {
    let mut quoted = false;
    let mut escaped = false;
    for (at, byte) in text.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b',' if !quoted => return at,
            _ => {}
        }
    }
    text.len()
}

fn argument(text: &[u8]) -> Argument<'_> {
    let Some((first, value)) = text.split_first() else {
        return Argument::None;
    };
    if *first != b'=' {
        return Argument::Malformed;
    }
    let inner = value
        .strip_prefix(b"\"")
        .and_then(|inner| inner.strip_suffix(b"\""));
    match inner {
        Some(inner) if !inner.iter().any(|byte| b"\"\\".contains(byte)) => Argument::Value(inner),
        None if !value.is_empty() && value.iter().all(|byte| is_token(*byte)) => {
            Argument::Value(value)
        }
        _ => Argument::Malformed,
    }
}

/// RFC 9110 5.6.2.
pub(super) fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
