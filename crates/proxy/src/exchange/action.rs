//! Phase: action. What the route says is done.

use std::rc::Rc;
use std::sync::Arc;

use http::header::{CONTENT_LENGTH, CONTENT_TYPE, LOCATION};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, Uri};

use super::route::Chosen;
use super::{AwaitedTurn, Connection, accel, cache, forward};
use crate::answer::Answer;
use crate::body::{Inbound, Outbound};
use crate::fault::Fault;
use crate::files;
use crate::plan::{Action, Fallback, Files, Fixed, Mount, Redirect, Scope};
use crate::record::Record;
use crate::visitor::{Host, Visitor};
use crate::worker::ThreadPlan;

/// What the actions know about the request beside its head.
pub(super) struct Wanted<'a> {
    pub(super) connection: &'a Rc<Connection>,
    pub(super) plan: &'a Rc<ThreadPlan>,
    pub(super) visitor: &'a Visitor,
    pub(super) host: &'a Host,
    pub(super) turn: &'a AwaitedTurn<'a>,
}

/// What an action came to.
pub(super) enum Done {
    /// This is the answer.
    Answer(Answer<Outbound>),
    /// Nothing here; the next route that matches gets the request, with its body.
    Nothing,
}

/// Does it. The `body` is taken by an application alone; otherwise it stays.
pub(super) async fn run(
    wanted: &Wanted<'_>,
    chosen: Chosen<'_>,
    parts: &mut Parts,
    body: &mut Option<Inbound>,
    record: &mut Record,
) -> Result<Done, Fault> {
    let index = match chosen.route.action.as_ref().ok_or(Fault::NotFound)? {
        Action::Respond(fixed) => return Ok(Done::Answer(respond(fixed, &parts.method).into())),
        Action::Redirect(redirect) => {
            let scope = Scope {
                uri: chosen.target.as_ref().unwrap_or(&parts.uri),
                host: &wanted.host.name,
                scheme: wanted.visitor.scheme,
                captured: chosen.captured.as_ref(),
            };
            return Ok(Done::Answer(self::redirect(redirect, &scope)?.into()));
        }
        Action::Files(files) => {
            match (file(wanted, &chosen, files, parts).await?, files.fallback) {
                (Some(answer), _) => return Ok(Done::Answer(answer)),
                (None, Fallback::NotFound) => return Err(Fault::NotFound),
                (None, Fallback::NextRoute) => return Ok(Done::Nothing),
                (None, Fallback::Upstream(index)) => index,
            }
        }
        Action::Forward(index) => *index,
    };
    let body = body.take().unwrap_or_else(Inbound::empty);
    let answer = forward(wanted, index, chosen, parts, body, record).await?;
    accel::follow(wanted, parts, answer).await.map(Done::Answer)
}

async fn forward(
    wanted: &Wanted<'_>,
    index: usize,
    chosen: Chosen<'_>,
    parts: &mut Parts,
    body: Inbound,
    record: &mut Record,
) -> Result<Answer<Outbound>, Fault> {
    let route = chosen.route;
    // What is stored is found by the URL that visitors know.
    let known = route.cache.is_some().then(|| parts.uri.clone());
    if let Some(target) = chosen.target {
        parts.uri = target;
    }
    if let Some(mount) = &route.mount {
        parts.uri = mounted(mount, &parts.uri, chosen.rest)?;
    }
    let body = forward::take_in(wanted, route, &parts.headers, body).await?;
    route.headers.request.apply(&mut parts.headers);
    match (&route.cache, known) {
        (Some(rules), Some(known)) if !wanted.turn.is_upgrade() => {
            let through = cache::Through {
                rules,
                index,
                known: &known,
            };
            cache::run(wanted, &through, parts, body, record).await
        }
        _ => forward::pass(wanted, index, parts, body, record).await,
    }
}

async fn file(
    wanted: &Wanted<'_>,
    chosen: &Chosen<'_>,
    files: &Arc<Files>,
    parts: &Parts,
) -> Result<Option<Answer<Outbound>>, Fault> {
    let uri = chosen.target.as_ref().unwrap_or(&parts.uri);
    let whole = uri.path();
    files::answer(&files::Wanted {
        table: &wanted.plan.files,
        files,
        method: &parts.method,
        headers: &parts.headers,
        whole,
        query: uri.query(),
        path: whole.get(chosen.rest..).unwrap_or_default(),
        media_type: None,
    })
    .await
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
