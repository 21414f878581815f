//! One JSON object a line. The fields are documented in docs/proxy/logs.md; what is not known is left out.

use std::io::Write;
use std::time::Duration;

use super::combined::version;
use super::{Entry, escape, redact, time};

pub(super) fn write(out: &mut Vec<u8>, entry: &Entry<'_>, hidden: &[String]) {
    out.extend_from_slice(b"{\"time\":\"");
    time::utc(out);
    out.push(b'"');
    text(out, "request_id", Some(entry.request_id));
    text(out, "trace_id", entry.trace_id.map(str::as_bytes));
    if let Some(client) = entry.client {
        // Writing to memory does not fail.
        drop(write!(out, ",\"client\":\"{}\"", client.to_canonical()));
    }
    text(out, "user", entry.user.map(str::as_bytes));
    text(out, "scheme", Some(entry.scheme.as_bytes()));
    if let Some(tls) = entry.tls {
        text(out, "tls_version", Some(tls.version.as_bytes()));
        text(out, "tls_cipher", Some(tls.cipher.as_bytes()));
    }
    text(out, "host", entry.host.map(|host| host.as_bytes()));
    let method = entry.method.map(|method| method.as_str().as_bytes());
    text(out, "method", method);
    if let Some(target) = entry.target {
        text(out, "path", Some(target.path().as_bytes()));
        if let Some(query) = target.query() {
            url(out, "query", &[b"?", query.as_bytes()].concat(), hidden);
        }
    }
    text(out, "protocol", Some(version(entry.version).as_bytes()));
    let (status, bytes, complete) = (entry.status, entry.bytes, entry.complete);
    drop(write!(
        out,
        ",\"status\":{status},\"bytes\":{bytes},\"complete\":{complete},\"duration_ms\":{}",
        Milliseconds(entry.duration)
    ));
    text(out, "upstream", entry.upstream.map(str::as_bytes));
    let target = entry.target_sent.map(ToString::to_string);
    text(
        out,
        "upstream_address",
        target.as_ref().map(String::as_bytes),
    );
    if let Some(duration) = entry.upstream_duration {
        drop(write!(
            out,
            ",\"upstream_ms\":{},\"retries\":{}",
            Milliseconds(duration),
            entry.retries
        ));
    }
    text(out, "cache", entry.cache.map(str::as_bytes));
    if let Some(referer) = entry.referer {
        url(out, "referer", referer.as_bytes(), hidden);
    }
    let agent = entry.user_agent.map(|value| value.as_bytes());
    text(out, "user_agent", agent);
    text(out, "fault", entry.fault.map(str::as_bytes));
    headers(out, entry);
    out.extend_from_slice(b"}\n");
}

fn headers(out: &mut Vec<u8>, entry: &Entry<'_>) {
    let Some((first, rest)) = entry.headers.split_first() else {
        return;
    };
    out.extend_from_slice(b",\"headers\":{");
    header(out, first);
    for one in rest {
        out.push(b',');
        header(out, one);
    }
    out.push(b'}');
}

fn header(out: &mut Vec<u8>, (name, value): &(http::HeaderName, http::HeaderValue)) {
    escape::json(out, name.as_str().as_bytes());
    out.push(b':');
    escape::json(out, value.as_bytes());
}

fn text(out: &mut Vec<u8>, name: &str, value: Option<&[u8]>) {
    let Some(value) = value else { return };
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
    escape::json(out, value);
}

/// A URL or a query (from its `?` on), with secrets hidden; the `?` of a bare query is left out.
fn url(out: &mut Vec<u8>, name: &str, value: &[u8], hidden: &[String]) {
    let mut shown = Vec::with_capacity(value.len());
    redact::target(value, hidden, |piece| shown.extend_from_slice(piece));
    text(out, name, Some(shown.strip_prefix(b"?").unwrap_or(&shown)));
}

/// With three digits after the point.
pub(super) struct Milliseconds(pub(super) Duration);

impl std::fmt::Display for Milliseconds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let microseconds = self.0.as_micros();
        write!(f, "{}.{:03}", microseconds / 1000, microseconds % 1000)
    }
}
