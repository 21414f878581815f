//! `CDN-Cache-Control` (RFC 9213): a structured dictionary (RFC 8941) that speaks to caches like this
//! one and takes the place of `Cache-Control` and `Expires`. What is no valid dictionary is ignored.

#[cfg(test)]
mod tests;

use http::HeaderMap;
use http::header::HeaderName;

use super::control::{Directives, is_token};

/// The field.
pub const CDN_CACHE_CONTROL: HeaderName = HeaderName::from_static("cdn-cache-control");

/// The directives of `CDN-Cache-Control`, if it is there, valid and not empty.
#[must_use]
pub fn directives(headers: &HeaderMap) -> Option<Directives> {
    if !headers.contains_key(&CDN_CACHE_CONTROL) {
        return None;
    }
    let lines: Vec<&[u8]> = headers
        .get_all(&CDN_CACHE_CONTROL)
        .iter()
        .map(http::HeaderValue::as_bytes)
        .collect();
    parse(&lines.join(&b", "[..]))
}

/// The directives of one dictionary.
#[must_use]
pub fn parse(text: &[u8]) -> Option<Directives> {
    let mut rest = text.trim_ascii();
    let mut plain = Vec::new();
    while !rest.is_empty() {
        let (member, after) = member(rest)?;
        member.write(&mut plain)?;
        rest = after.trim_ascii_start();
        if rest.is_empty() {
            break;
        }
        rest = rest.strip_prefix(b",")?.trim_ascii_start();
        // A comma at the end is an error (RFC 8941 4.2.2).
        if rest.is_empty() {
            return None;
        }
    }
    (!plain.is_empty()).then(|| Directives::parse(&plain))
}

/// A key with its value, as they are written.
struct Member<'a> {
    key: &'a [u8],
    value: Value<'a>,
}

#[derive(Clone, Copy)]
enum Value<'a> {
    True,
    False,
    Integer(&'a [u8]),
    Text(&'a [u8]),
    Other,
}

impl Member<'_> {
    /// Writes the directive as `Cache-Control` has it; `None` for a value of the wrong type.
    fn write(&self, plain: &mut Vec<u8>) -> Option<()> {
        let numeric = [
            &b"max-age"[..],
            b"s-maxage",
            b"stale-while-revalidate",
            b"stale-if-error",
        ]
        .contains(&self.key);
        let value = match self.value {
            Value::False => return Some(()),
            Value::True if !numeric => None,
            Value::Integer(digits) => Some(digits),
            Value::Text(text) if !numeric => Some(text),
            Value::Other if !numeric => None,
            _ => return None,
        };
        if !plain.is_empty() {
            plain.extend_from_slice(b", ");
        }
        plain.extend_from_slice(self.key);
        if let Some(value) = value {
            plain.extend_from_slice(b"=\"");
            plain.extend_from_slice(value);
            plain.push(b'"');
        }
        Some(())
    }
}

fn member(text: &[u8]) -> Option<(Member<'_>, &[u8])> {
    let (key, rest) = key(text)?;
    let (value, rest) = match rest.strip_prefix(b"=") {
        Some(rest) => value(rest)?,
        None => (Value::True, rest),
    };
    Some((Member { key, value }, parameters(rest)?))
}

fn key(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let first = *text.first()?;
    if !first.is_ascii_lowercase() && first != b'*' {
        return None;
    }
    let end = text
        .iter()
        .position(|byte| {
            !(byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-.*".contains(byte))
        })
        .unwrap_or(text.len());
    Some(text.split_at(end))
}

fn value(text: &[u8]) -> Option<(Value<'_>, &[u8])> {
    match *text.first()? {
        b'?' => match text.get(1)? {
            b'1' => Some((Value::True, text.get(2..)?)),
            b'0' => Some((Value::False, text.get(2..)?)),
            _ => None,
        },
        b'"' => {
            let inner = text.get(1..)?;
            let end = inner.iter().position(|byte| *byte == b'"')?;
            let (inner, rest) = inner.split_at(end);
            let plain = inner
                .iter()
                .all(|byte| (0x20..0x7f).contains(byte) && *byte != b'\\');
            plain.then_some((Value::Text(inner), rest.get(1..)?))
        }
        byte if byte.is_ascii_digit() || byte == b'-' => number(text),
        byte if byte.is_ascii_alphabetic() || byte == b'*' => {
            let end = text
                .iter()
                .position(|byte| !(is_token(*byte) || b":/".contains(byte)))
                .unwrap_or(text.len());
            Some((Value::Other, text.get(end..)?))
        }
        _ => None,
    }
}

fn number(text: &[u8]) -> Option<(Value<'_>, &[u8])> {
    let end = text
        .iter()
        .position(|byte| !(byte.is_ascii_digit() || b"-.".contains(byte)))
        .unwrap_or(text.len());
    let (number, rest) = text.split_at(end);
    let digits = number.iter().all(u8::is_ascii_digit) && number.len() <= 15;
    Some((
        if digits {
            Value::Integer(number)
        } else {
            Value::Other
        },
        rest,
    ))
}

/// Parameters mean nothing here, but must be well formed.
fn parameters(text: &[u8]) -> Option<&[u8]> {
    let mut rest = text;
    while let Some(after) = rest.strip_prefix(b";") {
        let (_, after) = key(after.trim_ascii_start())?;
        rest = match after.strip_prefix(b"=") {
            Some(after) => value(after)?.1,
            None => after,
        };
    }
    Some(rest)
}
