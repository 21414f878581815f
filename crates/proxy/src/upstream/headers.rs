//! Header fields on their way through: what belongs to one connection stays on it, and what tells an
//! application who the visitor is comes from us alone.

use http::header::{CONNECTION, COOKIE, EXPECT, HOST, HeaderName, TE, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderValue};
use kiuas_common::telemetry::{TRACEPARENT, TRACESTATE, TraceContext};

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
const OURS: [&str; 15] = [
    "baggage",
    "forwarded",
    "proxy",
    "traceparent",
    "tracestate",
    "true-client-ip",
    "x-client-ip",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-prefix",
    "x-forwarded-proto",
    "x-forwarded-server",
    "x-real-ip",
    "x-request-id",
];

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
    pub request_id: &'a str,
    /// The span that the application's span is a child of.
    pub trace: Option<&'a TraceContext>,
}

/// The fields for the application, made anew from the visitor's.
pub fn for_upstream(visitor: &HeaderMap, told: &Told<'_>, websocket: bool) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(visitor.len() + 8);
    headers.insert(HOST, told.host.clone());
    let listed = Listed::new(visitor);
    for (name, value) in visitor {
        let dropped = HOP_BY_HOP.contains(name)
            || *name == HOST
            || *name == EXPECT
            || *name == COOKIE
            || is_ours(name)
            || listed.contains(name);
        if !dropped {
            headers.append(name.clone(), value.clone());
        }
    }
    join_cookies(visitor, &mut headers);
    if says(visitor, &TE, "trailers") {
        headers.insert(TE, HeaderValue::from_static("trailers"));
        headers.append(CONNECTION, HeaderValue::from_static("te"));
    }
    if websocket {
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    }
    introduce(told, &mut headers);
    headers
}

/// Takes everything out of an answer that belongs to the connection it came over.
pub fn strip_hop_by_hop(headers: &mut HeaderMap) {
    if headers.contains_key(CONNECTION) {
        let listed = Listed::new(headers);
        for name in listed.0 {
            headers.remove(name);
        }
    }
    for name in &HOP_BY_HOP {
        headers.remove(name);
    }
}

/// True if an answer's `Upgrade` is `websocket`.
pub fn is_websocket(headers: &HeaderMap) -> bool {
    says(headers, &UPGRADE, "websocket")
}

/// RFC 9113 8.2.3: HTTP/2 may cut `Cookie` into several fields; HTTP/1 has one.
fn join_cookies(visitor: &HeaderMap, headers: &mut HeaderMap) {
    let mut cookies = visitor.get_all(COOKIE).iter();
    let Some(first) = cookies.next() else { return };
    let mut joined = first.as_bytes().to_vec();
    let mut several = false;
    for cookie in cookies {
        several = true;
        joined.extend_from_slice(b"; ");
        joined.extend_from_slice(cookie.as_bytes());
    }
    let value = if several {
        HeaderValue::from_bytes(&joined).ok()
    } else {
        Some(first.clone())
    };
    if let Some(value) = value {
        headers.insert(COOKIE, value);
    }
}

fn introduce(told: &Told<'_>, headers: &mut HeaderMap) {
    let client = told.client.map(|client| client.to_canonical());
    let mut set = |name: &'static str, value: Result<HeaderValue, _>| {
        // What was parsed as an address, a host and our own id is always a valid value.
        if let Ok(value) = value {
            headers.insert(HeaderName::from_static(name), value);
        }
    };
    if let Some(client) = client {
        set(
            "x-forwarded-for",
            HeaderValue::from_str(&client.to_string()),
        );
    }
    set(
        "x-forwarded-proto",
        Ok(HeaderValue::from_static(told.scheme)),
    );
    set("x-forwarded-host", Ok(told.host.clone()));
    set("x-request-id", HeaderValue::from_str(told.request_id));
    if let Some(trace) = told.trace {
        set(TRACEPARENT, HeaderValue::from_str(&trace.traceparent));
        if let Some(state) = &trace.tracestate {
            set(TRACESTATE, HeaderValue::from_str(state));
        }
    }
    set("forwarded", HeaderValue::from_str(&forwarded(client, told)));
}

/// RFC 7239. IPv6 addresses are bracketed and quoted (section 6); an unknown peer is `unknown`.
fn forwarded(client: Option<std::net::IpAddr>, told: &Told<'_>) -> String {
    let client = match client {
        Some(std::net::IpAddr::V4(address)) => address.to_string(),
        Some(std::net::IpAddr::V6(address)) => format!("\"[{address}]\""),
        None => "unknown".to_owned(),
    };
    let host = told.host.to_str().unwrap_or_default();
    format!("for={client};host=\"{host}\";proto={}", told.scheme)
}

/// Also `x_forwarded_for`: WSGI and CGI cannot tell `-` from `_`.
fn is_ours(name: &HeaderName) -> bool {
    let name = name.as_str();
    if !name.contains('_') {
        return OURS.contains(&name);
    }
    let dashed = name.replace('_', "-");
    OURS.contains(&dashed.as_str()) || HOP_BY_HOP.iter().any(|hop| hop.as_str() == dashed)
}

fn says(headers: &HeaderMap, name: &HeaderName, word: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|item| item.trim().eq_ignore_ascii_case(word))
}

/// The names that `Connection` lists.
struct Listed(Vec<HeaderName>);

impl Listed {
    fn new(headers: &HeaderMap) -> Self {
        Self(
            headers
                .get_all(CONNECTION)
                .iter()
                .filter_map(|value| value.to_str().ok())
                .flat_map(|value| value.split(','))
                .filter_map(|name| HeaderName::from_bytes(name.trim().as_bytes()).ok())
                .collect(),
        )
    }

    fn contains(&self, name: &HeaderName) -> bool {
        self.0.contains(name)
    }
}
