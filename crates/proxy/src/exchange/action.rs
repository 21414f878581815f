//! Phase: action. What the route says is done.

use std::rc::Rc;

use http::header::{CONTENT_LENGTH, CONTENT_TYPE, LOCATION};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Uri};

use super::{AwaitedTurn, Connection, forward};
use crate::body::{Inbound, Outbound};
use crate::fault::Fault;
use crate::files;
use crate::plan::{Action, Fixed, Redirect, Route};
use crate::record::Record;
use crate::visitor::{Host, Visitor};
use crate::worker::ThreadPlan;

/// What the actions know about the request beside its head.
pub(super) struct Wanted<'a> {
    pub(super) connection: &'a Rc<Connection>,
    pub(super) plan: &'a ThreadPlan,
    pub(super) visitor: &'a Visitor,
    pub(super) host: &'a Host,
    pub(super) turn: &'a AwaitedTurn<'a>,
}

pub(super) async fn run(
    wanted: &Wanted<'_>,
    route: &Route,
    parts: &mut Parts,
    mut body: Inbound,
    record: &mut Record,
) -> Result<Response<Outbound>, Fault> {
    match &route.action {
        Action::Respond(fixed) => Ok(respond(fixed, &parts.method)),
        Action::Redirect(redirect) => Ok(self::redirect(redirect)),
        Action::Files(files) => {
            let whole = parts.uri.path();
            let path = whole.get(route.matched..).unwrap_or_default();
            files::answer(files, &parts.method, whole, path, &parts.headers).await
        }
        Action::Forward(index) => {
            body.limit(route.body, wanted.plan.limits.body_pause);
            forward::run(wanted, *index, parts, body, record).await
        }
    }
}

/// A length that is too large is refused before anything is read (RFC 9110 15.5.14).
pub(super) fn body_fits(headers: &HeaderMap, most: u64) -> Result<(), Fault> {
    let length = headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.parse::<u64>().ok());
    match length {
        Some(length) if length > most => Err(Fault::BodyTooLarge),
        _ => Ok(()),
    }
}

/// The same URL over HTTPS.
pub(super) fn to_https(host: &Host, uri: &Uri, port: Option<u16>) -> Response<Outbound> {
    let port = match port {
        Some(port) if port != 443 => format!(":{port}"),
        _ => String::new(),
    };
    let target = uri.path_and_query().map_or("/", |target| target.as_str());
    let mut response = Response::new(Outbound::empty());
    *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
    if let Ok(to) = HeaderValue::from_str(&format!("https://{}{port}{target}", host.name)) {
        response.headers_mut().insert(LOCATION, to);
    }
    response
}

fn redirect(redirect: &Redirect) -> Response<Outbound> {
    let mut response = Response::new(Outbound::empty());
    *response.status_mut() = redirect.status;
    response.headers_mut().insert(LOCATION, redirect.to.clone());
    response
}

fn respond(fixed: &Fixed, method: &Method) -> Response<Outbound> {
    let mut response = Response::new(Outbound::empty());
    *response.status_mut() = fixed.status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, fixed.content_type.clone());
    headers.insert(CONTENT_LENGTH, HeaderValue::from(fixed.body.len()));
    if method != Method::HEAD {
        *response.body_mut() = Outbound::full(fixed.body.clone());
    }
    response
}
