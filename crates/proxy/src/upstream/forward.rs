//! One request to an application: a place, a connection, the answer's head. The retry rule lives here.

use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Response, StatusCode};
use hyper::body::{Body, Incoming};
use kiuas_common::listener::Stream;

use super::attempt::Attempt;
use super::client::{self, AnswerHead, Answered, Asked, BadAnswer, Failed, Sending, Wire};
use super::connect::{ConnectError, connect};
use super::h2c::{self, Multiplexed};
use super::headers::Call;
use super::member::{Member, Mooring};
use super::relay::{self, Lease};
use super::turn::{Ask, Turn, enter};
use super::{Target, Upstream};
use crate::answer::Answer;
use crate::body::{BodyFault, Inbound, Outbound};
use crate::fault::Fault;
use crate::hints::Hints;
use crate::meter::Counted;
use crate::settings::Protocol;

/// What happens to a request on its way, for its record and for its visitor.
#[derive(Debug, Default, Clone)]
pub struct Trail<'a> {
    /// Where early hints go, if the visitor can be told.
    pub hints: Option<&'a Hints>,
    /// Sent so many times more than once.
    pub retries: u32,
    /// Where it was sent last.
    pub target: Option<Sent>,
}

/// Where a request was sent.
#[derive(Debug, Clone)]
pub struct Sent(Arc<Member>);

impl Sent {
    /// The target.
    #[must_use]
    pub fn target(&self) -> &Target {
        &self.0.spec.target
    }
}

/// An application's answer.
#[derive(Debug)]
pub struct Forwarded {
    /// The answer, without the fields of its connection.
    pub answer: Answer<Outbound>,
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
    /// Its tie to the target.
    pub mooring: Mooring,
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
    trail: &mut Trail<'_>,
) -> Result<Forwarded, Fault> {
    let mut turn = enter(upstream, ask).await?;
    let repeatable = is_idempotent(call.method) && body.is_end_stream();
    let mut outgoing = Outgoing::Fresh(body);
    let mut again = false;
    let mut fault = Fault::Unreachable;
    let mut attempt = turn.next().await.ok_or(fault)?;
    loop {
        trail.target = Some(Sent(Arc::clone(attempt.member())));
        let how = How {
            new: again,
            certain: !repeatable,
            hints: trail.hints,
        };
        let trouble = match once(upstream, &attempt, call, outgoing, how).await {
            Ok(came) => return answer(came, upstream, turn, attempt),
            Err(trouble) => trouble,
        };
        outgoing = match trouble {
            Trouble::NoConnection(problem, back) => {
                attempt.failed();
                drop(attempt);
                fault = worse(fault, problem);
                attempt = turn.next().await.ok_or(fault)?;
                outgoing = back;
                continue;
            }
            Trouble::Unsent(outgoing) if !again => outgoing,
            Trouble::Broken if repeatable && !again => Outgoing::Fresh(Inbound::empty()),
            trouble => {
                let fault = trouble.fault();
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

/// A request that is not sent.
enum Outgoing {
    Fresh(Inbound),
    /// Not a byte was written, but some of the body may be taken.
    Begun(Box<Sending>),
}

/// An answer of which the head is here.
enum Came {
    Http1(Answered),
    H2c(Response<Incoming>),
}

/// Why an attempt gave no answer.
enum Trouble {
    NoConnection(Fault, Outgoing),
    /// Not a byte was written: the whole request is here again.
    Unsent(Outgoing),
    /// It broke after that, before anything of an answer came.
    Broken,
    /// It is over.
    Final(Fault),
}

impl Trouble {
    fn fault(&self) -> Fault {
        match self {
            Self::NoConnection(fault, _) | Self::Final(fault) => *fault,
            Self::Unsent(_) | Self::Broken => Fault::BrokenAnswer,
        }
    }
}

/// Over which connection.
#[derive(Debug, Clone, Copy)]
struct How<'a> {
    /// One that was never used.
    new: bool,
    /// One that is surely alive: the request cannot be sent again.
    certain: bool,
    /// Who is told of early hints.
    hints: Option<&'a Hints>,
}

/// One attempt at one target.
async fn once(
    upstream: &Upstream,
    attempt: &Attempt,
    call: &Call<'_>,
    outgoing: Outgoing,
    how: How<'_>,
) -> Result<Came, Trouble> {
    let outgoing = match (upstream.plan.protocol, outgoing) {
        // Rare: no other request need have room for it.
        (Protocol::H2c, Outgoing::Fresh(body)) => {
            return Box::pin(once_h2c(upstream, attempt, call, body)).await;
        }
        (_, outgoing) => outgoing,
    };
    let wire = match wire(upstream, attempt, how).await {
        Ok(wire) => wire,
        Err(fault) => return Err(Trouble::NoConnection(fault, outgoing)),
    };
    let sending = match outgoing {
        Outgoing::Fresh(body) => Sending::new(call, body),
        Outgoing::Begun(sending) => *sending,
    };
    let asked = Asked {
        head: call.method == Method::HEAD,
        upgrade: call.websocket.is_some(),
    };
    let patience = upstream.plan.response_timeout;
    let interim = |head: &AnswerHead| {
        if let Some(hints) = how.hints {
            hints.add(head.status, &head.fields);
        }
    };
    client::ask(wire, sending, asked, patience, interim)
        .await
        .map(Came::Http1)
        .map_err(|failed| match failed {
            Failed::Unsent(sending) => Trouble::Unsent(Outgoing::Begun(sending)),
            Failed::Broken => Trouble::Broken,
            Failed::Body(fault) => Trouble::Final(fault.into()),
            Failed::Late => Trouble::Final(Fault::ResponseTimeout),
            Failed::Bad(bad) => {
                warn_of(upstream, attempt.target(), bad);
                Trouble::Final(Fault::BrokenAnswer)
            }
        })
}

async fn once_h2c(
    upstream: &Upstream,
    attempt: &Attempt,
    call: &Call<'_>,
    body: Inbound,
) -> Result<Came, Trouble> {
    let plan = &upstream.plan;
    if call.websocket.is_some() {
        tracing::warn!(
            upstream.name = plan.name,
            "`{}` speaks h2c, and so takes no WebSockets",
            plan.name
        );
        return Err(Trouble::Final(Fault::BrokenAnswer));
    }
    let shared = attempt.pool().multiplexed();
    let open = upstream.connections.clone();
    let sender = match shared
        .sender(attempt.target(), plan.connect_timeout, open)
        .await
    {
        Ok(sender) => sender,
        Err(error) => {
            let fault = no_connection(upstream, attempt, &error);
            return Err(Trouble::NoConnection(fault, Outgoing::Fresh(body)));
        }
    };
    h2c::ask(sender, call, body, plan.response_timeout)
        .await
        .map(Came::H2c)
        .map_err(|failed| match failed {
            h2c::Failed::Unsent(body) => Trouble::Unsent(Outgoing::Fresh(body)),
            h2c::Failed::Broken => Trouble::Broken,
            h2c::Failed::Body(fault) => Trouble::Final(fault.into()),
            h2c::Failed::Late => Trouble::Final(Fault::ResponseTimeout),
        })
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

fn warn_of(upstream: &Upstream, target: &Target, bad: BadAnswer) {
    tracing::warn!(
        upstream.name = upstream.plan.name,
        upstream.target = %target,
        "the answer of `{target}` of upstream `{}` is refused: {bad}",
        upstream.plan.name
    );
}

/// A connection kept from before, unless a new one is asked for.
async fn wire(upstream: &Upstream, attempt: &Attempt, how: How<'_>) -> Result<Wire, Fault> {
    if !how.new
        && let Some(wire) = attempt.pool().take(how.certain)
    {
        return Ok(wire);
    }
    let open = upstream.connections.clone();
    let connecting = connect(attempt.target(), upstream.plan.connect_timeout, open);
    // Most find a connection: they need not have room for making one.
    Box::pin(connecting)
        .await
        .map_err(|error| no_connection(upstream, attempt, &error))
}

fn no_connection(upstream: &Upstream, attempt: &Attempt, error: &ConnectError) -> Fault {
    let address = attempt.target();
    tracing::warn!(
        upstream.name = upstream.plan.name,
        upstream.target = %address,
        error = error as &dyn std::error::Error,
        "cannot reach `{address}` of upstream `{}`",
        upstream.plan.name
    );
    match error {
        ConnectError::Late(_) => Fault::ConnectTimeout,
        ConnectError::Refused(_) | ConnectError::Handshake(_) => Fault::Unreachable,
    }
}

fn answer(
    came: Came,
    upstream: &Upstream,
    turn: Turn,
    attempt: Attempt,
) -> Result<Forwarded, Fault> {
    let pause = upstream.plan.response_timeout;
    let answered = match came {
        Came::Http1(answered) => answered,
        Came::H2c(response) => {
            let mut response = h2c::cleaned(response);
            attempt.answered(response.status(), response.headers_mut());
            let seat = turn.sit(attempt);
            let response = response
                .map(|body| Outbound::Multiplexed(Box::new(Multiplexed::new(body, seat, pause))));
            return Ok(Forwarded {
                answer: response.into(),
                switched: None,
            });
        }
    };
    let Answered {
        mut head,
        wire,
        framer,
        sending,
    } = answered;
    attempt.answered(head.status, &mut head.fields);
    let lined = |body| Answer::lined(head.status, head.fields, body);
    if head.status == StatusCode::SWITCHING_PROTOCOLS {
        // The connection is a tunnel's now; its place is free for the next request.
        let (stream, read, counted) = wire.into_parts();
        let switched = Some(Switched {
            stream,
            read,
            counted,
            mooring: attempt.moor(),
        });
        return Ok(Forwarded {
            answer: lined(Outbound::empty()),
            switched,
        });
    }
    let lease = Lease {
        wire,
        seat: turn.sit(attempt),
        sending,
        reusable: head.reusable,
    };
    let body = relay::body(framer, lease, pause);
    let body = body.map_err(|bad| {
        tracing::warn!(
            upstream.name = upstream.plan.name,
            "the body of an answer of upstream `{}` is refused: {bad}",
            upstream.plan.name
        );
        Fault::BrokenAnswer
    })?;
    Ok(Forwarded {
        answer: lined(body),
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
