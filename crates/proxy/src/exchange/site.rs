//! Phase: site. What a site answers before any of its routes: the way to HTTPS and to its canonical
//! host, and the word to search engines.

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, LOCATION};
use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode};

use crate::body::Outbound;
use crate::plan::Site;
use crate::tls::WELL_KNOWN;
use crate::visitor::{Host, Visitor};

const NO_ROBOTS: &str = "User-agent: *\nDisallow: /\n";

/// The answer, if the site itself has one.
pub(super) fn answer(
    site: &Site,
    host: &Host,
    visitor: &Visitor,
    parts: &Parts,
    https_port: Option<u16>,
) -> Option<Response<Outbound>> {
    // An authority that wants to see a proof may ask over plain HTTP alone (RFC 8555 8.3).
    if parts.uri.path().starts_with(WELL_KNOWN) {
        return None;
    }
    let to_https = site.redirect_https && visitor.scheme == "http";
    let other = site
        .canonical
        .as_deref()
        .filter(|name| *name != &*host.name);
    if to_https || other.is_some() {
        let name = other.unwrap_or(&host.name);
        let origin = if to_https {
            format!("https://{name}{}", port(https_port))
        } else {
            format!("{}://{name}{}", visitor.scheme, host.port())
        };
        let status = if to_https {
            StatusCode::PERMANENT_REDIRECT
        } else {
            moved(&parts.method)
        };
        return Some(redirect(status, &origin, parts));
    }
    if site.noindex && parts.uri.path() == "/robots.txt" {
        return Some(robots(&parts.method));
    }
    None
}

/// Old programs know 301 alone, but it turns a POST into a GET.
fn moved(method: &Method) -> StatusCode {
    if [Method::GET, Method::HEAD].contains(method) {
        StatusCode::MOVED_PERMANENTLY
    } else {
        StatusCode::PERMANENT_REDIRECT
    }
}

fn port(port: Option<u16>) -> String {
    match port {
        Some(port) if port != 443 => format!(":{port}"),
        _ => String::new(),
    }
}

/// The same path and query under another origin.
fn redirect(status: StatusCode, origin: &str, parts: &Parts) -> Response<Outbound> {
    let target = parts
        .uri
        .path_and_query()
        .map_or("/", |target| target.as_str());
    let mut response = Response::new(Outbound::empty());
    *response.status_mut() = status;
    if let Ok(to) = HeaderValue::from_str(&format!("{origin}{target}")) {
        response.headers_mut().insert(LOCATION, to);
    }
    response
}

fn robots(method: &Method) -> Response<Outbound> {
    let mut response = Response::new(Outbound::empty());
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    headers.insert(CONTENT_LENGTH, HeaderValue::from(NO_ROBOTS.len()));
    if method != Method::HEAD {
        *response.body_mut() = Outbound::full(Bytes::from_static(NO_ROBOTS.as_bytes()));
    }
    response
}
