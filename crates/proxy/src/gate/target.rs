//! The rules about the request target.

use http::Version;

use super::{Head, Refusal, values};

/// RFC 9112 3.2.1 and 3.2.2: a path, or an absolute URL whose authority is the `Host`. What no URL may
/// hold (RFC 3986 2) is refused: `#` because a parser would cut there, a backslash in the path because
/// some take it for a slash. What browsers send unescaped all the same (`{`, `|`, `"`) is let through.
pub(super) fn is_origin_form_or_names_the_host(head: &Head<'_>) -> Result<(), Refusal> {
    let target = head.target;
    let allowed = |byte: &u8| byte.is_ascii_graphic() && !b"#<>".contains(byte);
    let path = target
        .split(|byte| *byte == b'?')
        .next()
        .unwrap_or_default();
    let in_path = |byte: &u8| !b"\\`".contains(byte);
    // A double quote is let through in the path alone, where programs send JSON.
    let query = target.get(path.len()..).unwrap_or_default();
    if !target.iter().all(allowed) || !path.iter().all(in_path) || query.contains(&b'"') {
        return Err(Refusal::Target);
    }
    if target.starts_with(b"/") {
        return Ok(());
    }
    if head.version == Version::HTTP_2 {
        return Err(Refusal::Target);
    }
    let authority = split_absolute(target).ok_or(Refusal::Target)?.0;
    let same = |host: &[u8]| host.eq_ignore_ascii_case(authority);
    if values(head, b"host").all(same) {
        Ok(())
    } else {
        Err(Refusal::TargetHost)
    }
}

/// A path with dot segments means one thing to a route and another to a file system or an
/// application; no browser sends one (RFC 3986 5.2.4 is done before). NUL cuts strings in C.
pub(super) fn path_has_one_reading(head: &Head<'_>) -> Result<(), Refusal> {
    let path = match split_absolute(head.target) {
        Some((_, rest)) => rest,
        None => head.target,
    };
    let path = path.split(|byte| *byte == b'?').next().unwrap_or_default();
    if contains_escape(path, b"00") || contains_escape(path, b"5c") || !escapes_are_complete(path) {
        return Err(Refusal::Path);
    }
    if path.split(|byte| *byte == b'/').any(is_dot_segment) {
        return Err(Refusal::Path);
    }
    Ok(())
}

/// True if a path that we made ourselves would pass [`path_has_one_reading`].
#[must_use]
pub fn has_one_reading(target: &str) -> bool {
    let head = Head {
        method: b"GET",
        target: target.as_bytes(),
        version: Version::HTTP_2,
        authority: None,
        fields: &[],
    };
    path_has_one_reading(&head).is_ok() && is_origin_form_or_names_the_host(&head).is_ok()
}

fn split_absolute(target: &[u8]) -> Option<(&[u8], &[u8])> {
    let rest = ["http://", "https://"].iter().find_map(|scheme| {
        let (start, rest) = target.split_at_checked(scheme.len())?;
        start
            .eq_ignore_ascii_case(scheme.as_bytes())
            .then_some(rest)
    })?;
    let end = rest
        .iter()
        .position(|byte| b"/?".contains(byte))
        .unwrap_or(rest.len());
    Some(rest.split_at(end))
}

/// `.`, `..` and their escaped forms; an escaped `/` ends a segment too.
fn is_dot_segment(segment: &[u8]) -> bool {
    if !segment.contains(&b'%') {
        return segment == b"." || segment == b"..";
    }
    let decoded: Vec<u8> = percent_encoding::percent_decode(segment).collect();
    decoded
        .split(|byte| *byte == b'/')
        .any(|piece| piece == b"." || piece == b"..")
}

fn contains_escape(path: &[u8], digits: &[u8; 2]) -> bool {
    path.windows(3)
        .any(|three| three[0] == b'%' && three[1..].eq_ignore_ascii_case(digits))
}

/// RFC 3986 2.1: `%` is followed by two hexadecimal digits.
fn escapes_are_complete(path: &[u8]) -> bool {
    path.iter()
        .enumerate()
        .filter(|(_, byte)| **byte == b'%')
        .all(|(at, _)| {
            path.get(at + 1..at + 3)
                .is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
        })
}

/// RFC 3986 3.2 without user information: `name`, `name:port`, `[IPv6]` or `[IPv6]:port`.
#[must_use]
pub fn is_authority(text: &[u8]) -> bool {
    let (host, port) = match text.first() {
        Some(b'[') => match text.iter().position(|byte| *byte == b']') {
            Some(end) => text.split_at(end + 1),
            None => return false,
        },
        _ => text.split_at(
            text.iter()
                .position(|byte| *byte == b':')
                .unwrap_or(text.len()),
        ),
    };
    is_host(host) && is_port(port)
}

fn is_host(host: &[u8]) -> bool {
    let inner = host
        .strip_prefix(b"[")
        .and_then(|rest| rest.strip_suffix(b"]"));
    if let Some(inner) = inner {
        return std::str::from_utf8(inner)
            .is_ok_and(|text| text.parse::<std::net::Ipv6Addr>().is_ok());
    }
    !host.is_empty()
        && host.len() <= 253
        && host
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(byte))
}

fn is_port(port: &[u8]) -> bool {
    match port.split_first() {
        None => true,
        Some((b':', digits)) => digits.len() <= 5 && digits.iter().all(u8::is_ascii_digit),
        Some(_) => false,
    }
}
