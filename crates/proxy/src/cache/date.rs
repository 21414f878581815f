//! Points in time: HTTP dates (RFC 9110 5.6.7) as seconds, the clock as milliseconds, both since 1970.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::HeaderMap;
use http::header::HeaderName;

use crate::clock;

/// Now, in milliseconds.
#[must_use]
pub fn now() -> u64 {
    u64::try_from(clock::since_epoch().as_millis()).unwrap_or(u64::MAX)
}

/// The seconds of the one date that `name` holds; `None` if it is malformed, or if there are several
/// that differ.
#[must_use]
pub fn field(headers: &HeaderMap, name: &HeaderName) -> Option<u64> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?;
    if values.any(|other| other != first) {
        return None;
    }
    parse(first.to_str().ok()?)
}

/// The seconds of a date in one of the three formats. Names count in any case.
#[must_use]
pub fn parse(text: &str) -> Option<u64> {
    let parsed = httpdate::parse_http_date(text).ok().or_else(|| {
        let text = canonical(text);
        httpdate::parse_http_date(&text)
            .ok()
            .or_else(|| on_any_day(&text))
    })?;
    // A date before 1970 is as good as 1970: both are long gone.
    Some(
        parsed
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs()),
    )
}

/// The date of these milliseconds.
#[must_use]
pub fn format(milliseconds: u64) -> String {
    httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_millis(milliseconds))
}

/// The day of the week says nothing that the rest does not: a wrong one is overlooked.
fn on_any_day(text: &str) -> Option<SystemTime> {
    let rest = text.get(3..)?;
    ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
        .iter()
        .find_map(|day| httpdate::parse_http_date(&format!("{day}{rest}")).ok())
}

/// The names of days and months with a capital, `GMT` in capitals.
fn canonical(text: &str) -> String {
    let mut canonical = String::with_capacity(text.len());
    let mut within = false;
    for letter in text.chars() {
        canonical.push(if within {
            letter.to_ascii_lowercase()
        } else {
            letter.to_ascii_uppercase()
        });
        within = letter.is_ascii_alphabetic();
    }
    match canonical.strip_suffix("Gmt") {
        Some(date) => format!("{date}GMT"),
        None => canonical,
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn all_three_formats_are_read_in_any_case() {
        for text in [
            "Thu, 18 Aug 2050 02:01:18 GMT",
            "THU, 18 AUG 2050 02:01:18 gMT",
            "Thursday, 18-Aug-50 02:01:18 GMT",
            "Thu Aug 18 02:01:18 2050",
            "Mon, 18 Aug 2050 02:01:18 GMT",
        ] {
            assert_eq!(parse(text), Some(2_544_400_878), "{text}");
        }
    }

    #[test]
    fn everything_else_is_no_date() {
        for text in [
            "0",
            "",
            "Thu, 18 Aug 2050 02:01:18 UTC",
            "Thu, 18 Aug 2050 02:01:18 AEST",
            "Thu, 18 Aug 50 02:01:18 GMT",
            "Thu 18 Aug 2050 02:01:18 GMT",
            "Thu, 18  Aug  2050 02:01:18 GMT",
            "Thu, 18-Aug-2050 02:01:18 GMT",
            "Thu, 18 Aug 2050 02.01.18 GMT",
            "Thu, 18 Aug 2050 2:01:18 GMT",
            "ß",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
