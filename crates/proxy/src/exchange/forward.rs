//! Action: forward. The request goes to an application, its answer comes back, or a tunnel opens.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use http::header::{CONNECTION, CONTENT_TYPE, SEC_WEBSOCKET_ACCEPT, UPGRADE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version};
use hyper::body::Body;
use hyper::upgrade::OnUpgrade;
use kiuas_common::telemetry::TraceContext;
use tracing::{Instrument, Span};

use super::action::Wanted;
use super::gate;
use super::secure;
use crate::answer::Answer;
use crate::body::{self, BodyPace, Inbound, Outbound, SpoolError};
use crate::fault::Fault;
use crate::meter::Counted;
use crate::plan::Route;
use crate::record::Record;
use crate::tunnel;
use crate::upstream::{self, Ask, Call, Handshake, Switched, Told, Trail};

/// The request's body, whole if it may be: a slow visitor must not occupy an application. gRPC and
/// WebSockets are conversations, whose end one does not wait for.
pub(super) async fn take_in(
    wanted: &Wanted<'_>,
    route: &Route,
    headers: &HeaderMap,
    mut body: Inbound,
) -> Result<Inbound, Fault> {
    let limits = &wanted.plan.limits;
    if is_grpc(headers) {
        let pace = BodyPace {
            pause: limits.tunnel,
            rate: 0,
        };
        body.limit(route.body, pace);
        return Ok(body);
    }
    body.limit(route.body, limits.body_pace);
    if !route.spools || body.is_end_stream() {
        return Ok(body);
    }
    Box::pin(body::spool(body, &wanted.plan.spool))
        .await
        .map_err(|error| match error {
            SpoolError::Body(fault) => fault.into(),
            error => {
                let error = &error as &dyn std::error::Error;
                let directory = wanted.plan.spool.directory.display();
                tracing::error!(
                    error,
                    spool.directory = %directory,
                    "a request body finds no room in `{directory}`"
                );
                Fault::SpoolFull
            }
        })
}

fn is_grpc(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"))
}

/// The application's answer, for who wants its fields in a map.
pub(super) async fn run(
    wanted: &Wanted<'_>,
    index: usize,
    parts: &mut Parts,
    body: Inbound,
    record: &mut Record,
) -> Result<Response<Outbound>, Fault> {
    let answer = pass(wanted, index, parts, body, record).await?;
    Ok(answer.into_response())
}

/// The application's answer as it came.
pub(super) async fn pass(
    wanted: &Wanted<'_>,
    index: usize,
    parts: &mut Parts,
    body: Inbound,
    record: &mut Record,
) -> Result<Answer<Outbound>, Fault> {
    let worker = &wanted.connection.worker;
    let upstream = wanted.plan.upstreams.get(index).ok_or(Fault::Internal)?;
    record.via = Some(Rc::clone(upstream));
    let websocket = handshake(wanted, parts);
    let visitor = websocket.is_some().then(|| let_go(parts));
    let span = client_span(upstream.name(), &parts.method, record, worker.shared.traces);
    let trace = TraceContext::of(&span).or_else(|| wanted.visitor.trace.clone());
    let call = Call {
        method: &parts.method,
        target: &parts.uri,
        headers: &parts.headers,
        told: Told {
            certificate: secure::certificate(wanted.connection),
            client: wanted.visitor.address,
            scheme: wanted.visitor.scheme,
            host: &wanted.host.value,
            request_id: wanted.visitor.request_id.as_bytes(),
            trace: trace.as_ref(),
        },
        websocket,
    };
    let ask = Ask {
        headers: &parts.headers,
        client: wanted.visitor.address,
        secure: wanted.visitor.scheme == "https",
    };
    let begun = Instant::now();
    // HTTP/1.0 knows no interim answers (RFC 9110 15.2).
    let can_be_told = wanted.turn.has_visitor() && parts.version > Version::HTTP_10;
    let mut trail = Trail {
        hints: wanted.connection.hints().filter(|_| can_be_told),
        ..Trail::default()
    };
    let outcome = upstream::forward(upstream, &ask, &call, body, &mut trail)
        .instrument(span)
        .await;
    record.upstream = Some(begun.elapsed());
    record.retries = trail.retries;
    record.sent = trail.target;
    let forwarded = outcome.inspect_err(|fault| {
        upstream.note(*fault);
        if *fault == Fault::Maintenance {
            record.notice = upstream.maintenance().map(|work| Arc::clone(&work.message));
        }
    })?;
    let answer = forwarded.answer;
    match (forwarded.switched, call.websocket) {
        (Some(application), Some(handshake)) => {
            let mut response = answer.into_response();
            let visitor = visitor.ok_or(Fault::Internal)?;
            if !handshake.is_answered_by(response.headers()) {
                return Err(Fault::BrokenAnswer);
            }
            say_switched(&handshake, &mut response);
            switch(wanted, visitor, application);
            Ok(response.into())
        }
        // To CONNECT, success would mean that there is a tunnel (RFC 9110 9.3.6).
        (None, Some(Handshake::Ours(_))) if answer.status().is_success() => {
            Err(Fault::BrokenAnswer)
        }
        _ => Ok(answer),
    }
}

/// How the request asks for a WebSocket, if it does.
fn handshake(wanted: &Wanted<'_>, parts: &Parts) -> Option<Handshake> {
    if wanted.turn.is_upgrade() {
        return Some(Handshake::Visitors);
    }
    gate::is_websocket(parts).then(Handshake::ours)
}

/// The visitor is told: by 101, or over HTTP/2 by 200 (RFC 8441 5).
fn say_switched(handshake: &Handshake, response: &mut Response<Outbound>) {
    if let Handshake::Ours(_) = handshake {
        *response.status_mut() = StatusCode::OK;
        response.headers_mut().remove(SEC_WEBSOCKET_ACCEPT);
        return;
    }
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
}

/// The promise of the visitor's side of a tunnel.
fn let_go(parts: &mut Parts) -> OnUpgrade {
    let mut request = Request::new(());
    std::mem::swap(request.extensions_mut(), &mut parts.extensions);
    hyper::upgrade::on(request)
}

/// 101: the visitor's side lets go of HTTP once the answer is written.
fn switch(wanted: &Wanted<'_>, visitor: OnUpgrade, application: Switched) {
    let shared = &wanted.connection.worker.shared;
    tunnel::open(
        visitor,
        application,
        wanted.plan.limits.tunnel,
        &shared.tunnels,
        Counted::new(shared.meter.tunnels.clone()),
        Rc::clone(&wanted.connection.place),
    );
    wanted.turn.grant();
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
