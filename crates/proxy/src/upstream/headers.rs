//! Header fields on their way through: what belongs to one connection stays on it, and what tells an
//! application who the visitor is comes from us alone.

use std::cell::Cell;
use std::io::Write;
use std::time::Duration;

use http::header::{
    CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, HOST, HeaderName, SEC_WEBSOCKET_KEY, TE,
    TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderValue, Method, Uri};
use kiuas_common::telemetry::{TRACEPARENT, TRACESTATE, TraceContext};

use super::client::Length;
use super::handshake::Handshake;
use crate::clock;
use crate::text::{address, decimal};

/// RFC 9110 7.6.1 and RFC 9113 8.2.2: fields of one connection, listed by `Connection` or not.
const HOP_BY_HOP: [HeaderName; 9] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-authenticate"),
    HeaderName::from_static("proxy-authorization"),
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("http2-settings"),
    TE,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// What only we may say. `proxy` is what CGI turns into `HTTP_PROXY` (httpoxy).
const OURS: [&str; 19] = [
    "baggage",
    "forwarded",
    "proxy",
    "traceparent",
    "tracestate",
    "true-client-ip",
    "x-client-cert-subject",
    "x-client-ip",
    "x-client-verify",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-prefix",
    "x-forwarded-proto",
    "x-forwarded-server",
    "x-queue-start",
    "x-real-ip",
    "x-request-id",
    "x-request-start",
];

thread_local! {
    /// A value that is being written. A host, the longest part, is bounded as a head is.
    static TEXT: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// What an application is told about the visitor.
#[derive(Debug, Clone, Copy)]
pub struct Told<'a> {
    /// The visitor's address, if there is one.
    pub client: Option<std::net::IpAddr>,
    /// `http` or `https`.
    pub scheme: &'static str,
    /// `Host`, checked by the gate.
    pub host: &'a HeaderValue,
    /// Of this request.
    pub request_id: &'a [u8],
    /// Subject of the visitor's certificate, where the site asks for certificates: `None` outside, empty
    /// if there was none.
    pub certificate: Option<Option<&'a HeaderValue>>,
    /// The span that the application's span is a child of.
    pub trace: Option<&'a TraceContext>,
}

/// What is sent, and can be written anew for a second attempt.
#[derive(Debug)]
pub struct Call<'a> {
    /// The method.
    pub method: &'a Method,
    /// What the visitor asked for; its path and query are sent.
    pub target: &'a Uri,
    /// The visitor's fields; what does not belong to the application is left out.
    pub headers: &'a HeaderMap,
    /// What is said about the visitor.
    pub told: Told<'a>,
    /// The request asks for a WebSocket.
    pub websocket: Option<Handshake>,
}

/// Writes the head of a request with the empty line.
pub(super) fn write_head(out: &mut Vec<u8>, call: &Call<'_>, length: Length) {
    let method = match call.websocket {
        Some(_) => Method::GET.as_str(),
        None => call.method.as_str(),
    };
    // An application needs no more than path and query, and routes must not be fooled by an authority.
    let target = call
        .target
        .path_and_query()
        .map_or("/", |target| target.as_str());
    for part in [method, " ", target, " HTTP/1.1\r\n"] {
        out.extend_from_slice(part.as_bytes());
    }
    for_upstream(call, |name, value| write_field(out, name, value));
    if says(call.headers, &TE, "trailers") {
        out.extend_from_slice(b"te: trailers\r\nconnection: te\r\n");
    }
    if let Some(handshake) = &call.websocket {
        out.extend_from_slice(b"connection: upgrade\r\nupgrade: websocket\r\n");
        if let Handshake::Ours(key) = handshake {
            write_field(out, SEC_WEBSOCKET_KEY.as_str(), key.as_bytes());
        }
    }
    match length {
        Length::None => {}
        // Writing to a vector cannot fail.
        Length::Exact(length) => drop(write!(out, "content-length: {length}\r\n")),
        Length::Chunked => out.extend_from_slice(b"transfer-encoding: chunked\r\n"),
    }
    out.extend_from_slice(b"\r\n");
}

/// Writes a field.
pub(super) fn write_field(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// Gives `put` the fields for the application: the visitor's that go on, and ours. Those about the
/// connection are up to whoever writes the head.
pub(super) fn for_upstream(call: &Call<'_>, mut put: impl FnMut(&str, &[u8])) {
    let visitor = call.headers;
    put(HOST.as_str(), call.told.host.as_bytes());
    let listed = Listed::new(visitor);
    let ours = matches!(call.websocket, Some(Handshake::Ours(_)));
    let mut cookies = false;
    for (name, value) in visitor {
        if *name == COOKIE {
            cookies = true;
            continue;
        }
        let dropped = *name == HOST
            || *name == EXPECT
            || *name == CONTENT_LENGTH
            || HOP_BY_HOP.contains(name)
            || is_ours(name.as_str())
            || listed.contains(name)
            || (ours && *name == SEC_WEBSOCKET_KEY);
        if !dropped {
            put(name.as_str(), value.as_bytes());
        }
    }
    if cookies {
        put_cookies(visitor, &mut put);
    }
    introduce(&call.told, &mut put);
}

/// Takes out of an answer what belongs to its connection or is for us.
pub(super) fn strip(answer: &mut HeaderMap) {
    let listed = Listed::new(answer);
    let for_us = HeaderName::from_static("x-accel-buffering");
    for name in listed.0.iter().chain(&HOP_BY_HOP).chain([&for_us]) {
        answer.remove(name);
    }
}

/// RFC 9113 8.2.3: HTTP/2 may cut `Cookie` into several fields; HTTP/1 has one.
fn put_cookies(visitor: &HeaderMap, put: &mut impl FnMut(&str, &[u8])) {
    let mut cookies = visitor.get_all(COOKIE).iter();
    let Some(first) = cookies.next() else { return };
    let Some(second) = cookies.next() else {
        return put(COOKIE.as_str(), first.as_bytes());
    };
    let mut joined = first.as_bytes().to_vec();
    for cookie in std::iter::once(second).chain(cookies) {
        joined.extend_from_slice(b"; ");
        joined.extend_from_slice(cookie.as_bytes());
    }
    put(COOKIE.as_str(), &joined);
}

fn introduce(told: &Told<'_>, put: &mut impl FnMut(&str, &[u8])) {
    let mut text = TEXT.take();
    text.clear();
    let client = told.client.map(|client| client.to_canonical());
    if let Some(client) = client {
        address(&mut text, client);
        put("x-forwarded-for", &text);
    }
    put("x-forwarded-proto", told.scheme.as_bytes());
    put("x-forwarded-host", told.host.as_bytes());
    put("x-request-id", told.request_id);
    if let Some(subject) = told.certificate {
        let verdict: &[u8] = if subject.is_some() {
            b"SUCCESS"
        } else {
            b"NONE"
        };
        put("x-client-verify", verdict);
        if let Some(subject) = subject {
            put("x-client-cert-subject", subject.as_bytes());
        }
    }
    if let Some(trace) = told.trace {
        put(TRACEPARENT, trace.traceparent.as_bytes());
        if let Some(state) = &trace.tracestate {
            put(TRACESTATE, state.as_bytes());
        }
    }
    forwarded(client, &mut text);
    text.extend_from_slice(b";host=\"");
    text.extend_from_slice(told.host.as_bytes());
    text.extend_from_slice(b"\";proto=");
    text.extend_from_slice(told.scheme.as_bytes());
    put("forwarded", &text);
    since_epoch(&mut text, clock::since_epoch());
    put("x-request-start", &text);
    TEXT.set(text);
}

/// `t=SECONDS.MILLISECONDS`: when an attempt is sent, so that an application knows how long it waited.
/// Replaces `text`.
fn since_epoch(text: &mut Vec<u8>, now: Duration) {
    text.clear();
    text.extend_from_slice(b"t=");
    decimal(text, now.as_secs());
    // Padded to three digits by a digit more in front, which becomes the point.
    let point = text.len();
    decimal(text, 1000 + u64::from(now.subsec_millis()));
    if let Some(digit) = text.get_mut(point) {
        *digit = b'.';
    }
}

/// RFC 7239: makes the client's address in `text` a `for`. IPv6 addresses are bracketed and quoted
/// (section 6); an unknown peer is `unknown`.
fn forwarded(client: Option<std::net::IpAddr>, text: &mut Vec<u8>) {
    let (before, after): (&[u8], &[u8]) = match client {
        Some(std::net::IpAddr::V4(_)) => (b"for=", b""),
        Some(std::net::IpAddr::V6(_)) => (b"for=\"[", b"]\""),
        None => (b"for=unknown", b""),
    };
    text.splice(0..0, before.iter().copied());
    text.extend_from_slice(after);
}

/// Also `x_forwarded_for`: WSGI and CGI cannot tell `-` from `_`.
fn is_ours(name: &str) -> bool {
    if name.contains('_') {
        let dashed = name.replace('_', "-");
        return OURS.contains(&dashed.as_str())
            || HOP_BY_HOP.iter().any(|hop| hop.as_str() == dashed);
    }
    // Most names begin with another letter.
    name.starts_with(['b', 'f', 'p', 't', 'x']) && OURS.contains(&name)
}

pub(super) fn says(headers: &HeaderMap, name: &HeaderName, word: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|item| item.trim().eq_ignore_ascii_case(word))
}

const USUAL: [&str; 4] = ["close", "keep-alive", "te", "upgrade"];

/// The names that `Connection` lists.
struct Listed(Vec<HeaderName>);

impl Listed {
    fn new(headers: &HeaderMap) -> Self {
        Self(
            headers
                .get_all(CONNECTION)
                .iter()
                .filter_map(|value| value.to_str().ok())
                .flat_map(|value| value.split(',').map(str::trim))
                // The usual ones name no field that is not dropped anyway.
                .filter(|name| !USUAL.iter().any(|usual| name.eq_ignore_ascii_case(usual)))
                .filter_map(|name| HeaderName::from_bytes(name.as_bytes()).ok())
                .collect(),
        )
    }

    fn contains(&self, name: &HeaderName) -> bool {
        self.0.contains(name)
    }
}
