//! `Accept-Encoding` (RFC 9110 12.5.3): which of the codings at hand the visitor likes best.

use http::HeaderMap;
use http::header::{ACCEPT_ENCODING, HeaderValue};

/// More members than this in one request are not looked at: no visitor sends them.
const MOST_MEMBERS: usize = 32;

/// A content coding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// Brotli (RFC 7932).
    Br,
    /// Zstandard (RFC 8878).
    Zstd,
    /// gzip (RFC 1952).
    Gzip,
}

impl Encoding {
    /// All, the best compression first.
    pub const ALL: [Self; 3] = [Self::Br, Self::Zstd, Self::Gzip];

    /// Its name in HTTP.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Br => "br",
            Self::Zstd => "zstd",
            Self::Gzip => "gzip",
        }
    }

    /// The value of `Content-Encoding`.
    #[must_use]
    pub const fn value(self) -> HeaderValue {
        HeaderValue::from_static(self.name())
    }

    /// What the name of a compressed file ends with.
    #[must_use]
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Br => ".br",
            Self::Zstd => ".zst",
            Self::Gzip => ".gz",
        }
    }

    fn of_name(name: &str) -> Option<Self> {
        if name.eq_ignore_ascii_case("x-gzip") {
            return Some(Self::Gzip);
        }
        Self::ALL
            .into_iter()
            .find(|one| name.eq_ignore_ascii_case(one.name()))
    }
}

/// The coding out of `available` (the preferred one first) that the visitor likes best; `None` for the
/// answer as it is: it likes that better, it likes none of them, or it says nothing.
///
/// An answer as it is goes out even to a visitor who refuses it (`identity;q=0`) when there is nothing
/// else: RFC 9110 12.5.3 allows it, and an answer is of more use than a 406.
#[must_use]
pub fn choose(headers: &HeaderMap, available: impl Iterator<Item = Encoding>) -> Option<Encoding> {
    let mut fields = headers.get_all(ACCEPT_ENCODING).iter().peekable();
    fields.peek()?;
    let wishes = Wishes::read(fields.filter_map(|field| field.to_str().ok()));
    let mut best = None;
    let mut most = wishes.identity();
    for encoding in available {
        let weight = wishes.of(encoding);
        // Of two that are liked the same, the first wins; any of them wins over the answer as it is.
        if weight > most || (weight == most && weight > 0 && best.is_none()) {
            most = weight;
            best = Some(encoding);
        }
    }
    best
}

/// Weights in thousandths.
#[derive(Debug, Default)]
struct Wishes {
    codings: [Option<u16>; 3],
    identity: Option<u16>,
    any: Option<u16>,
}

impl Wishes {
    fn read<'a>(fields: impl Iterator<Item = &'a str>) -> Self {
        let mut wishes = Self::default();
        for member in fields.flat_map(|field| field.split(',')).take(MOST_MEMBERS) {
            let (name, parameters) = member.split_once(';').unwrap_or((member, ""));
            let Some(weight) = weight(parameters) else {
                continue;
            };
            let name = name.trim_matches([' ', '\t']);
            let slot = match (name, Encoding::of_name(name)) {
                ("*", _) => &mut wishes.any,
                (_, Some(encoding)) => &mut wishes.codings[place(encoding)],
                (name, None) if name.eq_ignore_ascii_case("identity") => &mut wishes.identity,
                _ => continue,
            };
            slot.get_or_insert(weight);
        }
        wishes
    }

    fn of(&self, encoding: Encoding) -> u16 {
        self.codings[place(encoding)].or(self.any).unwrap_or(0)
    }

    /// Not named, it is acceptable, and liked less than anything that is named.
    fn identity(&self) -> u16 {
        self.identity.unwrap_or(0)
    }
}

const fn place(encoding: Encoding) -> usize {
    match encoding {
        Encoding::Br => 0,
        Encoding::Zstd => 1,
        Encoding::Gzip => 2,
    }
}

/// The weight among a member's parameters; 1 if there is none, `None` if it is malformed.
fn weight(parameters: &str) -> Option<u16> {
    for parameter in parameters.split(';') {
        let Some((name, value)) = parameter.split_once('=') else {
            continue;
        };
        if name.trim_matches([' ', '\t']).eq_ignore_ascii_case("q") {
            return thousandths(value.trim_matches([' ', '\t']));
        }
    }
    Some(1000)
}

/// `0`, `0.123`, `1`, `1.000` (RFC 9110 12.4.2).
fn thousandths(text: &str) -> Option<u16> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = fraction.len() <= 3 && fraction.bytes().all(|byte| byte.is_ascii_digit());
    if !digits {
        return None;
    }
    let fraction = format!("{fraction:0<3}").parse::<u16>().ok()?;
    match whole {
        "0" => Some(fraction),
        "1" if fraction == 0 => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn chosen(field: &str) -> Option<Encoding> {
        let mut headers = HeaderMap::new();
        headers.insert(
            ACCEPT_ENCODING,
            HeaderValue::from_str(field).expect("field"),
        );
        choose(&headers, Encoding::ALL.into_iter())
    }

    #[test]
    fn the_best_liked_coding_is_chosen() {
        use Encoding::{Br, Gzip, Zstd};
        for (field, expected) in [
            ("", None),
            ("gzip", Some(Gzip)),
            ("x-gzip", Some(Gzip)),
            ("GZIP, deflate", Some(Gzip)),
            ("gzip, deflate, br, zstd", Some(Br)),
            ("gzip;q=1.0, br;q=0.9", Some(Gzip)),
            ("br;q=0, gzip", Some(Gzip)),
            ("br;q=0.0,gzip;q=0", None),
            ("*", Some(Br)),
            ("*;q=0.5, gzip;q=0.6", Some(Gzip)),
            ("br;q=0, *", Some(Zstd)),
            ("identity", None),
            ("identity, gzip;q=0.5", None),
            ("identity;q=0.5, gzip;q=0.5", Some(Gzip)),
            ("identity;q=0, zstd;q=0.001", Some(Zstd)),
            ("identity;q=0", None),
            ("gzip;q=2", None),
            ("gzip;q=0.1234", None),
            ("gzip;q=nan", None),
            ("gzip ; q=0.7 , br ; q=0.8", Some(Br)),
            ("deflate, compress", None),
        ] {
            assert_eq!(chosen(field), expected, "{field}");
        }
    }

    #[test]
    fn nothing_said_means_as_it_is() {
        assert_eq!(choose(&HeaderMap::new(), Encoding::ALL.into_iter()), None);
    }

    proptest! {
        #[test]
        fn what_is_refused_is_never_chosen(
            text in "[a-z*;=,.0-9 ]{0,40}",
            refused in prop::sample::select(&Encoding::ALL[..]),
        ) {
            let field = format!("{};q=0, {text}", refused.name());
            prop_assert_ne!(chosen(&field), Some(refused));
        }

        #[test]
        fn weights_are_thousandths(number in 0_u16..=1000) {
            let text = format!("{}.{:03}", number / 1000, number % 1000);
            prop_assert_eq!(thousandths(&text), Some(number));
        }
    }
}
