//! What a trusted peer says about the visitor.
//!
//! Lists are read from their end: each trusted peer added who spoke to it. The first address that is no
//! trusted peer's is the visitor's; what stands before it was written by strangers.

use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;

use super::text;
use crate::settings::TrustedField;

/// Elements of a list that are looked at.
const MOST: usize = 32;

/// What was said.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) address: Option<IpAddr>,
    pub(super) scheme: Option<&'static str>,
}

pub(super) fn read(
    headers: &HeaderMap,
    is_trusted: impl Fn(IpAddr) -> bool,
    field: TrustedField,
) -> Told {
    if field == TrustedField::Forwarded {
        return forwarded(headers, is_trusted);
    }
    let address = match field {
        TrustedField::XRealIp => text(headers, "x-real-ip").and_then(|text| address(text.trim())),
        _ => x_forwarded_for(headers, is_trusted),
    };
    Told {
        address,
        scheme: text(headers, "x-forwarded-proto").and_then(scheme),
    }
}

fn scheme(text: &str) -> Option<&'static str> {
    match text {
        "https" => Some("https"),
        "http" => Some("http"),
        _ => None,
    }
}

fn x_forwarded_for(headers: &HeaderMap, is_trusted: impl Fn(IpAddr) -> bool) -> Option<IpAddr> {
    let values = headers.get_all("x-forwarded-for").iter().rev();
    let items = values
        .map(|value| value.to_str().unwrap_or_default())
        .flat_map(|value| value.rsplit(','));
    let mut found = None;
    for item in items.take(MOST) {
        let Some(address) = address(item.trim()) else {
            break;
        };
        found = Some(address);
        if !is_trusted(address) {
            break;
        }
    }
    found
}

/// RFC 7239 4.
fn forwarded(headers: &HeaderMap, is_trusted: impl Fn(IpAddr) -> bool) -> Told {
    let mut told = Told::default();
    let values = headers.get_all("forwarded").iter().rev();
    let mut looked_at = 0;
    for value in values.map(|value| value.to_str().unwrap_or_default()) {
        let mut elements = split(value, b',');
        while let Some(element) = elements.pop() {
            looked_at += 1;
            let Some((address, scheme)) = pairs(element).filter(|_| looked_at <= MOST) else {
                return told;
            };
            told = Told {
                address: Some(address),
                scheme,
            };
            if !is_trusted(address) {
                return told;
            }
        }
    }
    told
}

/// The address and the scheme of `for=…;proto=…`; `None` without an address (`unknown`, `_name`).
fn pairs(element: &str) -> Option<(IpAddr, Option<&'static str>)> {
    let (mut found, mut proto) = (None, None);
    for pair in split(element, b';') {
        let (name, value) = pair.trim().split_once('=')?;
        let value = match value.strip_prefix('"') {
            Some(rest) => rest.strip_suffix('"')?,
            None => value,
        };
        if name.eq_ignore_ascii_case("for") {
            found = Some(address(value)?);
        } else if name.eq_ignore_ascii_case("proto") {
            proto = scheme(value);
        }
    }
    Some((found?, proto))
}

/// The parts between separators that do not stand in quotes.
fn split(text: &str, separator: u8) -> Vec<&str> {
    let (mut parts, mut start) = (Vec::new(), 0);
    let (mut quoted, mut escaped) = (false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            byte if byte == separator && !quoted => {
                parts.push(text.get(start..at).unwrap_or_default());
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(text.get(start..).unwrap_or_default());
    parts
}

/// With or without port; IPv6 with a port in brackets.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(text);
    bare.parse()
        .ok()
        .or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip()))
}
