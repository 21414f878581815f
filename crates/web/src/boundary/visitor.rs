//! Who asks: address, scheme, host and request id, believed only from our own proxy.

use std::future::{Ready, ready};
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

use actix_web::dev::{Payload, ServiceRequest};
use actix_web::http::header::{HOST, HeaderMap, HeaderName, ORIGIN};
use actix_web::{FromRequest, HttpMessage, HttpRequest};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// Carries the request id, from the proxy and back to the visitor.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

const LONGEST_ID: usize = 64;
const LONGEST_HOST: usize = 255;

/// The other end of a connection. Set when the connection is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Peer {
    /// `None` for a Unix socket.
    pub(crate) address: Option<IpAddr>,
    /// Our own readiness probe, which comes through a socket pair.
    pub(crate) probe: bool,
}

impl Peer {
    /// `None` for a Unix socket.
    pub(crate) fn at(address: Option<SocketAddr>) -> Self {
        Self {
            address: address.map(|address| address.ip()),
            probe: false,
        }
    }

    pub(crate) fn probe() -> Self {
        Self {
            address: None,
            probe: true,
        }
    }

    /// Only the proxy on this machine is believed what it says about visitors.
    pub(super) fn is_trusted(self) -> bool {
        self.address.is_none_or(|address| address.is_loopback())
    }
}

/// What is known of the visitor. An extractor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visitor {
    /// Address of the visitor; `None` if a Unix peer did not name one.
    pub address: Option<IpAddr>,
    /// True if the visitor came by HTTPS.
    pub https: bool,
    /// Host and port as the visitor wrote them; empty if they were missing or ill-formed.
    pub host: String,
    /// Finds the request in the logs of all components.
    pub request_id: String,
}

impl Visitor {
    /// The visitor of a request that came through the server.
    #[must_use]
    pub fn of(request: &HttpRequest) -> Self {
        match request.extensions().get::<Rc<Self>>() {
            Some(known) => Self::clone(known),
            None => Self::read(request.headers(), None),
        }
    }

    pub(crate) fn arriving(request: &ServiceRequest) -> Self {
        Self::read(request.headers(), request.conn_data::<Peer>().copied())
    }

    pub(crate) fn read(headers: &HeaderMap, peer: Option<Peer>) -> Self {
        let forwarded = |name: &HeaderName| {
            peer.filter(|peer| peer.is_trusted())
                .and_then(|_| text(headers, name))
        };
        let own_address = peer.and_then(|peer| peer.address);
        Self {
            address: forwarded(&FORWARDED_FOR).and_then(nearest).or(own_address),
            https: forwarded(&FORWARDED_PROTO).is_some_and(|scheme| scheme == "https"),
            host: forwarded(&FORWARDED_HOST)
                .or_else(|| text(headers, &HOST))
                .filter(|host| is_host(host))
                .unwrap_or_default()
                .to_ascii_lowercase(),
            request_id: forwarded(&REQUEST_ID)
                .filter(|id| is_id(id))
                .map_or_else(new_id, str::to_owned),
        }
    }

    /// Scheme and host, as in the header `Origin`.
    #[must_use]
    pub fn origin(&self) -> String {
        let scheme = if self.https { "https" } else { "http" };
        format!("{scheme}://{}", self.host)
    }

    /// False if the browser says that another site's page made the request.
    #[must_use]
    pub fn is_same_origin(&self, headers: &HeaderMap) -> bool {
        let site = text(headers, &FETCH_SITE);
        if site.is_some_and(|site| site != "same-origin" && site != "none") {
            return false;
        }
        match headers.get(ORIGIN) {
            None => true,
            Some(origin) => origin
                .to_str()
                .is_ok_and(|origin| origin.eq_ignore_ascii_case(&self.origin())),
        }
    }
}

impl FromRequest for Visitor {
    type Error = actix_web::Error;
    type Future = Ready<Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self::of(request)))
    }
}

/// Random, but not secret: the thread's own generator saves a system call.
fn new_id() -> String {
    let random = uuid::Builder::from_random_bytes(rand::random());
    random.into_uuid().to_string()
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// The last address of the list: the one that our proxy saw itself.
fn nearest(list: &str) -> Option<IpAddr> {
    list.rsplit(',').next()?.trim().parse().ok()
}

fn is_id(id: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    !id.is_empty() && id.len() <= LONGEST_ID && id.bytes().all(known)
}

/// Letters, digits, `.`, `-`, `_`, `:` and brackets: nothing that could mean something in a header or
/// in a policy.
fn is_host(host: &str) -> bool {
    let known = |byte: u8| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':' | b'[' | b']')
    };
    !host.is_empty() && host.len() <= LONGEST_HOST && host.bytes().all(known)
}

#[cfg(test)]
mod tests;
