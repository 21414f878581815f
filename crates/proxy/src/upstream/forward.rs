//! One request to an application: a place, a connection, the answer's head. The retry rule lives here.

use std::pin::pin;
use std::rc::Rc;
use std::time::{Duration, Instant};

use http::{HeaderMap, Method, Request, Response, StatusCode, Uri, Version};
use hyper::body::{Body, Incoming};

use super::Upstream;
use super::connect::{ConnectError, connect};
use super::pool::Sender;
use super::relay::{Lease, Relay};
use super::turn::{Ask, Attempt, enter};
use crate::body::{BodyFault, Inbound, InboundState, Outbound};
use crate::fault::Fault;

/// What is sent, and can be made anew for a second attempt.
#[derive(Debug)]
pub struct Call<'a> {
    /// The method.
    pub method: &'a Method,
    /// Path and query alone.
    pub target: &'a Uri,
    /// All fields.
    pub headers: HeaderMap,
}

/// Why an attempt gave no answer.
enum Failed {
    /// Not a byte was written: the whole request is here again.
    Unsent(Inbound),
    /// It broke after that, before anything of an answer came.
    Broken,
    /// It is over.
    Final(Fault),
}

/// Sends `call` with `body` and waits for the head of the answer.
///
/// A connection that cannot be made moves on to the next target. A request is sent a second time, once,
/// over a new connection, if nothing of it was written, or if nothing of the answer came and the method
/// is idempotent and there is no body (RFC 9110 9.2.2). A body is never sent twice.
///
/// # Errors
/// Whose fault it is that there is no answer.
pub async fn forward(
    upstream: &Rc<Upstream>,
    ask: &Ask<'_>,
    call: &Call<'_>,
    body: Inbound,
) -> Result<Response<Outbound>, Fault> {
    let patience = upstream.plan.response_timeout;
    let mut turn = enter(upstream, ask).await?;
    let repeatable = is_idempotent(call.method) && body.is_end_stream();
    let mut body = body;
    let mut again = false;
    let mut fault = Fault::Unreachable;
    let mut attempt = turn.next().await.ok_or(fault)?;
    loop {
        let sender = match sender(upstream, &attempt, again).await {
            Ok(sender) => sender,
            Err(problem) => {
                attempt.failed();
                drop(attempt);
                fault = worse(fault, problem);
                attempt = turn.next().await.ok_or(fault)?;
                continue;
            }
        };
        let request = body.state();
        let failed = match send(sender, call, body, patience).await {
            Ok((mut response, sender)) => {
                attempt.answered(&mut response);
                let lease = Lease {
                    sender,
                    seat: turn.sit(attempt),
                    request,
                };
                return Ok(answer(response, lease, patience));
            }
            Err(failed) => failed,
        };
        body = match failed {
            Failed::Unsent(body) if !again => body,
            Failed::Broken if repeatable && !again => Inbound::empty(),
            Failed::Unsent(_) | Failed::Broken => {
                attempt.failed();
                return Err(Fault::BrokenAnswer);
            }
            Failed::Final(fault) => {
                if fault.upstream_kind().is_some() {
                    attempt.failed();
                }
                return Err(fault);
            }
        };
        // A kept connection that had just been closed says nothing about the target.
        again = true;
        upstream.note_retry();
        drop(attempt);
        attempt = turn.again().await.ok_or(Fault::BrokenAnswer)?;
    }
}

/// RFC 9110 9.2.2.
fn is_idempotent(method: &Method) -> bool {
    [
        Method::GET,
        Method::HEAD,
        Method::OPTIONS,
        Method::PUT,
        Method::DELETE,
    ]
    .contains(method)
}

fn worse(one: Fault, other: Fault) -> Fault {
    if one == Fault::ConnectTimeout {
        one
    } else {
        other
    }
}

/// A connection kept from before, unless `new` is asked for, else a new one.
async fn sender(upstream: &Upstream, attempt: &Attempt, new: bool) -> Result<Sender, Fault> {
    if !new && let Some(sender) = attempt.pool().take().await {
        return Ok(sender);
    }
    let plan = &upstream.plan;
    let open = upstream.connections.clone();
    let address = attempt.target();
    connect(address, plan.connect_timeout, open)
        .await
        .map_err(|error| {
            tracing::warn!(
                upstream.name = plan.name,
                upstream.target = %address,
                error = &error as &dyn std::error::Error,
                "cannot reach `{address}` of upstream `{}`",
                plan.name
            );
            match error {
                ConnectError::Late(_) => Fault::ConnectTimeout,
                ConnectError::Refused(_) | ConnectError::Handshake(_) => Fault::Unreachable,
            }
        })
}

async fn send(
    mut sender: Sender,
    call: &Call<'_>,
    body: Inbound,
    patience: Duration,
) -> Result<(Response<Incoming>, Sender), Failed> {
    let state = body.state();
    let mut request = Request::new(body);
    *request.method_mut() = call.method.clone();
    *request.uri_mut() = call.target.clone();
    *request.headers_mut() = call.headers.clone();
    let answer = sender.try_send_request(request);
    match with_patience(answer, &state, patience).await {
        Some(Ok(response)) => Ok((response, sender)),
        Some(Err(mut error)) => {
            if let Some(fault) = state.fault() {
                return Err(Failed::Final(fault.into()));
            }
            if let Some(request) = error.take_message() {
                return Err(Failed::Unsent(request.into_body()));
            }
            let error = error.into_error();
            tracing::debug!(
                error = &error as &dyn std::error::Error,
                "a connection to an application broke before the answer"
            );
            Err(if error.is_parse() {
                Failed::Final(Fault::BrokenAnswer)
            } else {
                Failed::Broken
            })
        }
        None => Err(Failed::Final(match state.fault() {
            Some(fault) => fault.into(),
            None => Fault::ResponseTimeout,
        })),
    }
}

/// The outcome of `answer`; `None` if nothing happened for `patience`, counted from the last piece of
/// the request's body.
async fn with_patience<F: Future>(
    answer: F,
    body: &InboundState,
    patience: Duration,
) -> Option<F::Output> {
    let mut answer = pin!(answer);
    let begun = Instant::now();
    let mut until = begun + patience;
    loop {
        tokio::select! {
            biased;
            outcome = &mut answer => return Some(outcome),
            () = tokio::time::sleep_until(until.into()) => {}
        }
        let deadline = body.moved().map_or(begun, |moved| moved.max(begun)) + patience;
        if deadline <= Instant::now() {
            return None;
        }
        until = deadline;
    }
}

fn answer(response: Response<Incoming>, lease: Lease, pause: Duration) -> Response<Outbound> {
    let (mut parts, body) = response.into_parts();
    // Each side speaks its own version.
    parts.version = Version::HTTP_11;
    let body = if parts.status == StatusCode::SWITCHING_PROTOCOLS {
        // The connection is a tunnel's now; its place is free for the next request.
        drop(lease);
        Outbound::empty()
    } else {
        Outbound::Relay(Box::new(Relay::new(body, lease, pause)))
    };
    Response::from_parts(parts, body)
}

impl From<BodyFault> for Fault {
    fn from(fault: BodyFault) -> Self {
        match fault {
            BodyFault::TooLarge => Self::BodyTooLarge,
            BodyFault::Slow => Self::BodySlow,
            BodyFault::Broken => Self::BodyBroken,
        }
    }
}
