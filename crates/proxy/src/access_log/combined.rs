//! nginx's `combined` format, byte for byte:
//! `$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer"
//! "$http_user_agent"`. What is not known is `-`.

use http::{HeaderValue, Version};

use super::{Entry, escape, redact, time};
use crate::text;

pub(super) fn write(out: &mut Vec<u8>, entry: &Entry<'_>, hidden: &[String]) {
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
    out.extend_from_slice(b"\"\n");
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
