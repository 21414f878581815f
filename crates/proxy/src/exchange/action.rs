//! Phase: action. What the route says is done.

use std::rc::Rc;

use http::header::{CONTENT_LENGTH, CONTENT_TYPE, LOCATION};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, Uri};

use super::route::Chosen;
use super::{AwaitedTurn, Connection, forward};
use crate::body::{Inbound, Outbound};
use crate::fault::Fault;
use crate::files;
use crate::plan::{Action, Fixed, Mount, Redirect, Scope};
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
    chosen: Chosen<'_>,
    parts: &mut Parts,
    body: Inbound,
    record: &mut Record,
) -> Result<Response<Outbound>, Fault> {
    let Chosen {
        route,
        target,
        rest,
        captured,
    } = chosen;
    match route.action.as_ref().ok_or(Fault::NotFound)? {
        Action::Respond(fixed) => Ok(respond(fixed, &parts.method)),
        Action::Redirect(redirect) => {
            let scope = Scope {
                uri: target.as_ref().unwrap_or(&parts.uri),
                host: &wanted.host.name,
                scheme: wanted.visitor.scheme,
                captured: captured.as_ref(),
            };
            self::redirect(redirect, &scope)
        }
        Action::Files(files) => {
            let whole = target.as_ref().unwrap_or(&parts.uri).path();
            let path = whole.get(rest..).unwrap_or_default();
            files::answer(files, &parts.method, whole, path, &parts.headers).await
        }
        Action::Forward(index) => {
            if let Some(target) = target {
                parts.uri = target;
            }
            if let Some(mount) = &route.mount {
                parts.uri = mounted(mount, &parts.uri, rest)?;
            }
            let body = forward::take_in(wanted, route, &parts.headers, body).await?;
            route.headers.request.apply(&mut parts.headers);
            forward::run(wanted, *index, parts, body, record).await
        }
    }
}

/// Another path for the application: without what the route matched, behind its own prefix.
fn mounted(mount: &Mount, uri: &Uri, rest: usize) -> Result<Uri, Fault> {
    let path = if mount.strip {
        uri.path().get(rest..).unwrap_or_default()
    } else {
        uri.path()
    };
    let mut target = String::with_capacity(mount.add.len() + path.len() + 64);
    target.push_str(&mount.add);
    target.push('/');
    target.push_str(path.trim_start_matches('/'));
    if let Some(query) = uri.query() {
        target.push('?');
        target.push_str(query);
    }
    Uri::try_from(target).map_err(|_| Fault::Internal)
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

fn redirect(redirect: &Redirect, scope: &Scope<'_>) -> Result<Response<Outbound>, Fault> {
    let to = redirect.to.render(scope).ok_or(Fault::NotFound)?;
    let to = HeaderValue::try_from(to).map_err(|_| Fault::Internal)?;
    let mut response = Response::new(Outbound::empty());
    *response.status_mut() = redirect.status;
    response.headers_mut().insert(LOCATION, to);
    Ok(response)
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
