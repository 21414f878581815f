//! Phases about TLS: an authority's questions are answered before any site is looked for; where a
//! site's visitors show certificates, the connection must have been made under its terms.

use std::rc::Rc;

use http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderValue, Method, Response};

use super::Connection;
use crate::body::Outbound;
use crate::fault::Fault;
use crate::plan::Site;
use crate::settings::ClientAuthMode;
use crate::tls;

/// RFC 8555 8.3: the proof that a name is ours, while one is asked for.
pub(super) fn challenge(connection: &Rc<Connection>, parts: &Parts) -> Option<Response<Outbound>> {
    let path = parts.uri.path();
    if !path.starts_with(tls::WELL_KNOWN) {
        return None;
    }
    let tls = connection.worker.shared.tls.load();
    let file = tls.as_ref()?.challenge_file(path)?;
    let mut response = Response::new(Outbound::empty());
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/octet-stream"),
    );
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(file.len()));
    if parts.method != Method::HEAD {
        *response.body_mut() = Outbound::full(file);
    }
    Some(response)
}

/// Lets a request into `site` whose visitors show certificates, if its connection did.
pub(super) fn admit(connection: &Connection, site: &Site) -> Result<(), Fault> {
    let Some(wanted) = &site.client_auth else {
        return Ok(());
    };
    match &connection.client {
        Some(peer) if peer.satisfies(wanted) => Ok(()),
        // RFC 9110 15.5.20: the visitor's program opens a connection for this site then.
        _ if connection.secure => Err(Fault::Misdirected),
        _ if wanted.mode == ClientAuthMode::Required => Err(Fault::NoCertificate),
        _ => Ok(()),
    }
}

/// What the application is told about the visitor's certificate.
pub(super) fn certificate(connection: &Connection) -> Option<Option<&HeaderValue>> {
    let peer = connection.client.as_ref()?;
    Some(peer.subject.as_ref())
}
