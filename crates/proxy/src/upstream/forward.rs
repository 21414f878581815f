//! One request to an application: a place, a connection, the answer's head. The retry rule lives here.

use std::rc::Rc;

use bytes::Bytes;
use http::{Method, Response, StatusCode};
use hyper::body::Body;
use kiuas_common::listener::Stream;

use super::client::{self, Answered, Asked, BadAnswer, Failed, Sending, Wire};
use super::connect::{ConnectError, connect};
use super::headers::Call;
use super::relay::{self, Lease};
use super::turn::{Ask, Attempt, Turn, enter};
use super::{Target, Upstream};
use crate::body::{BodyFault, Inbound, Outbound};
use crate::fault::Fault;
use crate::meter::Counted;

/// What became of a request, for its record.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Trail {
    /// Sent so many times more than once.
    pub retries: u32,
}

/// An application's answer.
#[derive(Debug)]
pub struct Forwarded {
    /// The answer, without the fields of its connection.
    pub response: Response<Outbound>,
    /// With 101: the connection, which is no longer HTTP.
    pub switched: Option<Switched>,
}

/// A connection to an application after 101.
#[derive(Debug)]
pub struct Switched {
    /// The socket.
    pub stream: Stream,
    /// What was already read of what follows the answer.
    pub read: Bytes,
    /// Counts the connection.
    pub counted: Counted,
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
    trail: &mut Trail,
) -> Result<Forwarded, Fault> {
    let patience = upstream.plan.response_timeout;
    let mut turn = enter(upstream, ask).await?;
    let repeatable = is_idempotent(call.method) && body.is_end_stream();
    let asked = Asked {
        head: call.method == Method::HEAD,
        upgrade: call.websocket.is_some(),
    };
    let mut sending = Sending::new(call, body);
    let mut again = false;
    let mut fault = Fault::Unreachable;
    let mut attempt = turn.next().await.ok_or(fault)?;
    loop {
        let wire = match wire(upstream, &attempt, again, !repeatable).await {
            Ok(wire) => wire,
            Err(problem) => {
                attempt.failed();
                drop(attempt);
                fault = worse(fault, problem);
                attempt = turn.next().await.ok_or(fault)?;
                continue;
            }
        };
        let failed = match client::ask(wire, sending, asked, patience, |_| {}).await {
            Ok(answered) => return answer(answered, upstream, turn, attempt),
            Err(failed) => failed,
        };
        sending = match failed {
            Failed::Unsent(sending) if !again => *sending,
            Failed::Broken if repeatable && !again => Sending::new(call, Inbound::empty()),
            failed => {
                let fault = blame(upstream, &attempt, &failed);
                if fault.upstream_kind().is_some() {
                    attempt.failed();
                }
                return Err(fault);
            }
        };
        // A kept connection that had just been closed says nothing about the target.
        again = true;
        trail.retries += 1;
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

fn blame(upstream: &Upstream, attempt: &Attempt, failed: &Failed) -> Fault {
    match failed {
        Failed::Body(fault) => (*fault).into(),
        Failed::Late => Fault::ResponseTimeout,
        Failed::Unsent(_) | Failed::Broken => Fault::BrokenAnswer,
        Failed::Bad(bad) => {
            warn_of(upstream, attempt.target(), *bad);
            Fault::BrokenAnswer
        }
    }
}

fn warn_of(upstream: &Upstream, target: &Target, bad: BadAnswer) {
    tracing::warn!(
        upstream.name = upstream.plan.name,
        upstream.target = %target,
        "the answer of `{target}` of upstream `{}` is refused: {bad}",
        upstream.plan.name
    );
}

/// A connection kept from before, unless `new` is asked for, else a new one. `certain` for a request
/// that cannot be sent again.
async fn wire(
    upstream: &Upstream,
    attempt: &Attempt,
    new: bool,
    certain: bool,
) -> Result<Wire, Fault> {
    if !new && let Some(wire) = attempt.pool().take(certain) {
        return Ok(wire);
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
                ConnectError::Refused(_) => Fault::Unreachable,
            }
        })
}

fn answer(
    answered: Answered,
    upstream: &Upstream,
    turn: Turn,
    attempt: Attempt,
) -> Result<Forwarded, Fault> {
    let Answered {
        head,
        wire,
        framer,
        sending,
    } = answered;
    let mut response = Response::new(Outbound::empty());
    *response.status_mut() = head.status;
    *response.headers_mut() = head.headers;
    attempt.answered(&mut response);
    if head.status == StatusCode::SWITCHING_PROTOCOLS {
        // The connection is a tunnel's now; its place is free for the next request.
        let (stream, read, counted) = wire.into_parts();
        let switched = Some(Switched {
            stream,
            read,
            counted,
        });
        return Ok(Forwarded { response, switched });
    }
    let lease = Lease {
        wire,
        seat: turn.sit(attempt),
        sending,
        reusable: head.reusable,
    };
    let body = relay::body(framer, lease, upstream.plan.response_timeout);
    *response.body_mut() = body.map_err(|bad| {
        tracing::warn!(
            upstream.name = upstream.plan.name,
            "the body of an answer of upstream `{}` is refused: {bad}",
            upstream.plan.name
        );
        Fault::BrokenAnswer
    })?;
    Ok(Forwarded {
        response,
        switched: None,
    })
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
