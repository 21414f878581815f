//! Phase: action. What the route says is done.

use std::rc::Rc;
use std::time::Instant;

use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, LOCATION, UPGRADE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri};
use hyper::upgrade::OnUpgrade;
use kiuas_common::telemetry::TraceContext;
use tracing::{Instrument, Span};

use super::{AwaitedTurn, Connection};
use crate::body::{Inbound, Outbound};
use crate::fault::Fault;
use crate::files;
use crate::meter::Counted;
use crate::plan::{Action, Fixed, Redirect, Route};
use crate::record::Record;
use crate::tunnel;
use crate::upstream::{self, Ask, Call, Told};
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
            forward(wanted, *index, parts, body, record).await
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

async fn forward(
    wanted: &Wanted<'_>,
    index: usize,
    parts: &mut Parts,
    body: Inbound,
    record: &mut Record,
) -> Result<Response<Outbound>, Fault> {
    let worker = &wanted.connection.worker;
    let upstream = wanted.plan.upstreams.get(index).ok_or(Fault::Internal)?;
    let websocket = wanted.turn.is_upgrade();
    let visitor = websocket.then(|| let_go(parts));
    let span = client_span(upstream.name(), &parts.method, record, worker.shared.traces);
    let trace = TraceContext::of(&span).or_else(|| wanted.visitor.trace.clone());
    let told = Told {
        client: wanted.visitor.address,
        scheme: wanted.visitor.scheme,
        host: &wanted.host.value,
        request_id: &wanted.visitor.request_id,
        trace: trace.as_ref(),
    };
    let call = Call {
        method: &parts.method,
        target: &origin_form(&parts.uri)?,
        headers: upstream::for_upstream(&parts.headers, &told, websocket),
    };
    let ask = Ask {
        headers: &parts.headers,
        client: wanted.visitor.address,
        secure: wanted.visitor.scheme == "https",
    };
    let begun = Instant::now();
    let outcome = upstream::forward(upstream, &ask, &call, body)
        .instrument(span)
        .await;
    record.upstream = Some(begun.elapsed());
    let mut response = outcome.inspect_err(|fault| upstream.note(*fault))?;
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        let visitor = visitor.ok_or(Fault::BrokenAnswer)?;
        switch(wanted, visitor, &mut response)?;
    } else {
        upstream::strip_hop_by_hop(response.headers_mut());
    }
    Ok(response)
}

/// The promise of the visitor's side of a tunnel.
fn let_go(parts: &mut Parts) -> OnUpgrade {
    let mut request = Request::new(());
    std::mem::swap(request.extensions_mut(), &mut parts.extensions);
    hyper::upgrade::on(request)
}

/// 101: both sides let go of HTTP once the answer is written.
fn switch(
    wanted: &Wanted<'_>,
    visitor: OnUpgrade,
    response: &mut Response<Outbound>,
) -> Result<(), Fault> {
    if !upstream::is_websocket(response.headers()) {
        return Err(Fault::BrokenAnswer);
    }
    let application = hyper::upgrade::on(&mut *response);
    let headers = response.headers_mut();
    upstream::strip_hop_by_hop(headers);
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    let shared = &wanted.connection.worker.shared;
    tunnel::open(
        visitor,
        application,
        wanted.plan.limits.tunnel,
        &shared.shutdown,
        Counted::new(shared.meter.tunnels.clone()),
        Rc::clone(&wanted.connection.place),
    );
    wanted.turn.grant();
    Ok(())
}

/// Path and query alone: an application needs no more, and routes must not be fooled by an authority.
fn origin_form(uri: &Uri) -> Result<Uri, Fault> {
    if uri.authority().is_none() {
        return Ok(uri.clone());
    }
    let target = uri.path_and_query().map_or("/", |target| target.as_str());
    Uri::try_from(target).map_err(|_| Fault::Internal)
}

fn client_span(name: &str, method: &Method, record: &Record, traces: bool) -> Span {
    if !traces {
        return Span::none();
    }
    tracing::info_span!(
        parent: &record.span,
        "upstream",
        otel.name = format!("{method} {name}"),
        otel.kind = "client",
        http.request.method = %method,
        upstream.name = name,
    )
}
