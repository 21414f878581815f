//! nginx's `combined` format, byte for byte:
//! `$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer"
//! "$http_user_agent"`. What is not known is `-`.

use std::io::Write;

use http::{HeaderValue, Version};

use super::json::Milliseconds;
use super::{Entry, escape, redact, time};
use crate::text;

pub(super) fn write(out: &mut Vec<u8>, entry: &Entry<'_>, hidden: &[String]) {
    line(out, entry, hidden);
    out.push(b'\n');
}

/// The same, and behind it what nginx's format leaves out, always all of it:
/// ` host="…" id=… ms=… upstream="…" upstream_ms=… cache=… tls=… cipher=…`.
pub(super) fn write_plus(out: &mut Vec<u8>, entry: &Entry<'_>, hidden: &[String]) {
    line(out, entry, hidden);
    out.extend_from_slice(b" host=\"");
    word(out, entry.host.map(HeaderValue::as_bytes));
    out.extend_from_slice(b"\" id=");
    word(out, Some(entry.request_id));
    // Writing to memory does not fail.
    drop(write!(
        out,
        " ms={} upstream=\"",
        Milliseconds(entry.duration)
    ));
    let target = entry.target_sent.map(ToString::to_string);
    word(out, target.as_ref().map(String::as_bytes));
    out.extend_from_slice(b"\" upstream_ms=");
    match entry.upstream_duration {
        Some(duration) => drop(write!(out, "{}", Milliseconds(duration))),
        None => out.push(b'-'),
    }
    out.extend_from_slice(b" cache=");
    word(out, entry.cache.map(str::as_bytes));
    out.extend_from_slice(b" tls=");
    word(out, entry.tls.map(|tls| tls.version.as_bytes()));
    out.extend_from_slice(b" cipher=");
    word(out, entry.tls.map(|tls| tls.cipher.as_bytes()));
    out.push(b'\n');
}

fn word(out: &mut Vec<u8>, value: Option<&[u8]>) {
    match value {
        None | Some(b"") => out.push(b'-'),
        Some(value) => escape::hexadecimal(out, value),
    }
}

fn line(out: &mut Vec<u8>, entry: &Entry<'_>, hidden: &[String]) {
    match entry.client {
        Some(address) => text::address(out, address.to_canonical()),
        None => out.extend_from_slice(b"unix:"),
    }
    out.extend_from_slice(b" - ");
    match entry.user {
        Some(user) => escape::hexadecimal(out, user.as_bytes()),
        None => out.push(b'-'),
    }
    out.extend_from_slice(b" [");
    time::local(out);
    out.extend_from_slice(b"] \"");
    request(out, entry, hidden);
    out.extend_from_slice(b"\" ");
    text::decimal(out, entry.status.into());
    out.push(b' ');
    text::decimal(out, entry.bytes);
    out.extend_from_slice(b" \"");
    url(out, entry.referer, hidden);
    out.extend_from_slice(b"\" \"");
    match entry.user_agent {
        Some(agent) => escape::hexadecimal(out, agent.as_bytes()),
        None => out.push(b'-'),
    }
    out.push(b'"');
}

fn request(out: &mut Vec<u8>, entry: &Entry<'_>, hidden: &[String]) {
    let (Some(method), Some(target)) = (entry.method, entry.target) else {
        out.push(b'-');
        return;
    };
    escape::hexadecimal(out, method.as_str().as_bytes());
    out.push(b' ');
    // HTTP/2 always knows scheme and authority; HTTP/1 if the visitor wrote them.
    if entry.version != Version::HTTP_2
        && let (Some(scheme), Some(authority)) = (target.scheme_str(), target.authority())
    {
        out.extend_from_slice(scheme.as_bytes());
        out.extend_from_slice(b"://");
        escape::hexadecimal(out, authority.as_str().as_bytes());
    }
    let path = target
        .path_and_query()
        .map_or("/", |target| target.as_str());
    redact::target(path.as_bytes(), hidden, |piece| {
        escape::hexadecimal(out, piece);
    });
    out.push(b' ');
    out.extend_from_slice(version(entry.version).as_bytes());
}

fn url(out: &mut Vec<u8>, value: Option<&HeaderValue>, hidden: &[String]) {
    match value {
        Some(value) => redact::target(value.as_bytes(), hidden, |piece| {
            escape::hexadecimal(out, piece);
        }),
        None => out.push(b'-'),
    }
}

/// As nginx spells it.
pub(super) fn version(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2.0",
        _ => "HTTP/1.1",
    }
}
