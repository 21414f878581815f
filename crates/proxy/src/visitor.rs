//! Who asks: address, scheme, host and the request's id. A stranger's own word about these counts for
//! nothing; a trusted peer's (a load balancer in front) does.

mod forwarded;

use std::net::{IpAddr, SocketAddr};

use http::header::HOST;
use http::request::Parts;
use http::uri::Authority;
use http::{HeaderMap, HeaderValue};
use kiuas_common::telemetry::{TRACEPARENT, TRACESTATE, TraceContext};

use crate::plan::Network;
use crate::settings::TrustedField;
use crate::text::Text;

const LONGEST_REQUEST_ID: usize = 64;

/// Who asks.
#[derive(Debug, Clone)]
pub struct Visitor {
    /// The visitor's address; `None` behind a Unix socket.
    pub address: Option<IpAddr>,
    /// `http` or `https`.
    pub scheme: &'static str,
    /// Our id of the request.
    pub request_id: Text,
    /// The trace it belongs to already.
    pub trace: Option<TraceContext>,
}

impl Visitor {
    /// From the connection, and from the fields if the peer is trusted.
    #[must_use]
    pub fn new(
        peer: Option<SocketAddr>,
        secure: bool,
        headers: &HeaderMap,
        trusted: &[Network],
        field: TrustedField,
    ) -> Self {
        let peer = peer.map(|peer| peer.ip());
        let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
        let own = Self {
            address: peer,
            scheme: if secure { "https" } else { "http" },
            request_id: Text::default(),
            trace: None,
        };
        if peer.is_some_and(is_trusted) {
            own.believing(headers, is_trusted, field)
        } else {
            Self {
                request_id: new_id(),
                ..own
            }
        }
    }

    fn believing(
        self,
        headers: &HeaderMap,
        is_trusted: impl Fn(IpAddr) -> bool,
        field: TrustedField,
    ) -> Self {
        let told = forwarded::read(headers, is_trusted, field);
        let trace = text(headers, TRACEPARENT)
            .and_then(|parent| TraceContext::parse(parent, text(headers, TRACESTATE)));
        Self {
            address: told.address.or(self.address),
            scheme: told.scheme.unwrap_or(self.scheme),
            request_id: text(headers, "x-request-id")
                .filter(|id| is_request_id(id))
                .map_or_else(new_id, Text::new),
            trace,
        }
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn is_request_id(id: &str) -> bool {
    (8..=LONGEST_REQUEST_ID).contains(&id.len())
        && id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

/// A version 4 UUID. Made from the thread's generator: no system call a request.
fn new_id() -> Text {
    let id = uuid::Builder::from_random_bytes(rand::random()).into_uuid();
    let mut space = uuid::Uuid::encode_buffer();
    Text::new(id.hyphenated().encode_lower(&mut space))
}

/// The host that a request is for.
#[derive(Debug, Clone)]
pub struct Host {
    /// As the application is told it, with its port.
    pub value: HeaderValue,
    /// For the look-up: lower case, without port and without a dot at its end.
    pub name: Text,
}

impl Host {
    /// From a request that passed the gate; `None` only if it did not.
    #[must_use]
    pub fn of(parts: &Parts) -> Option<Self> {
        let value = match parts.headers.get(HOST) {
            Some(value) => value.clone(),
            None => HeaderValue::from_str(parts.uri.authority().map(Authority::as_str)?).ok()?,
        };
        let text = value.to_str().ok()?;
        let end = match text.rfind(':') {
            Some(colon) if !text[colon..].contains(']') => colon,
            _ => text.len(),
        };
        let name = Text::lower(text[..end].trim_end_matches('.'));
        Some(Self { value, name })
    }

    /// `:8443`, or nothing.
    #[must_use]
    pub fn port(&self) -> &str {
        let text = self.value.to_str().unwrap_or_default();
        match text.rfind(':') {
            Some(colon) if !text[colon..].contains(']') => &text[colon..],
            _ => "",
        }
    }
}

#[cfg(test)]
mod tests;
