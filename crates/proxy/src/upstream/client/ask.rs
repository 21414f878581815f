//! One exchange up to the head of the answer: both directions at once, because an application may
//! answer before it has read everything (RFC 9112 9.3), and must be heard then.

use std::future::poll_fn;
use std::task::{Context, Poll};
use std::time::Duration;

use super::framer::{Event, Framer};
use super::head::{AnswerHead, Asked, BadAnswer};
use super::sending::{SendError, Sending};
use super::wire::Wire;
use crate::body::BodyFault;
use crate::clock;

/// The head of an answer, and all that is needed for the rest.
#[derive(Debug)]
pub(in crate::upstream) struct Answered {
    pub(in crate::upstream) head: AnswerHead,
    pub(in crate::upstream) wire: Wire,
    pub(in crate::upstream) framer: Framer,
    /// What is left of the request, if the answer came before its end.
    pub(in crate::upstream) sending: Option<Box<Sending>>,
}

/// Why there is no answer.
#[derive(Debug)]
pub(in crate::upstream) enum Failed {
    /// Not a byte was written: the whole request is here again.
    Unsent(Box<Sending>),
    /// The connection broke before anything of an answer came.
    Broken,
    /// The answer is none.
    Bad(BadAnswer),
    /// The visitor's body broke off.
    Body(BodyFault),
    /// Nothing happened for too long.
    Late,
}

/// A wait that is measured from the last thing that happened, without asking the time as long as
/// things happen.
#[derive(Debug)]
pub(in crate::upstream) struct Patience {
    /// In milliseconds.
    limit: u64,
    /// By [`clock::milliseconds`].
    since: Option<u64>,
}

impl Patience {
    pub(in crate::upstream) fn new(limit: Duration) -> Self {
        let limit = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
        Self { limit, since: None }
    }

    /// Something happened.
    pub(in crate::upstream) fn renew(&mut self) {
        self.since = None;
    }

    /// Nothing happens: ready when that has lasted too long.
    pub(in crate::upstream) fn poll_out(
        &mut self,
        wire: &mut Wire,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        let since = *self.since.get_or_insert_with(clock::milliseconds);
        wire.poll_alarm(since.saturating_add(self.limit), cx)
    }
}

/// Sends over `wire` and waits for the head of the answer, at most `limit` from one thing that happens
/// to the next. `interim` is told of 1xx.
///
/// No `async fn`: that would keep room for its arguments beside what they are made into.
pub(in crate::upstream) fn ask(
    wire: Wire,
    sending: Sending,
    asked: Asked,
    limit: Duration,
    mut interim: impl FnMut(&AnswerHead),
) -> impl Future<Output = Result<Answered, Failed>> {
    let mut asking = Some(Asking {
        wire,
        sending: Some(sending),
        broken: false,
        framer: Framer::new(asked),
        patience: Patience::new(limit),
    });
    poll_fn(move |cx| {
        let Some(now) = &mut asking else {
            return Poll::Pending;
        };
        let outcome = std::task::ready!(now.poll(cx, &mut interim));
        Poll::Ready(match (outcome, asking.take()) {
            (Ok(head), Some(asking)) => Ok(asking.answered(head)),
            (Err(Ended::Broken), Some(asking)) => Err(asking.broken()),
            (Err(Ended::Failed(failed)), _) => Err(failed),
            // `asking` is there until this moment.
            (_, None) => Err(Failed::Broken),
        })
    })
}

enum Ended {
    Broken,
    Failed(Failed),
}

struct Asking {
    wire: Wire,
    sending: Option<Sending>,
    /// Nothing more can be written; an answer may lie ready all the same.
    broken: bool,
    framer: Framer,
    patience: Patience,
}

impl Asking {
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        interim: &mut impl FnMut(&AnswerHead),
    ) -> Poll<Result<AnswerHead, Ended>> {
        if let Err(ended) = self.send(cx) {
            return Poll::Ready(Err(ended));
        }
        loop {
            match self.framer.step(&mut self.wire.unread) {
                Ok(Some(Event::Head(head))) => return Poll::Ready(Ok(head)),
                Ok(Some(Event::Interim(head))) => {
                    self.patience.renew();
                    interim(&head);
                    continue;
                }
                // A body does not come before its head.
                Ok(Some(Event::Data(_) | Event::Trailers(_)) | None) => {}
                Err(bad) => return Poll::Ready(Err(Ended::Failed(Failed::Bad(bad)))),
            }
            match self.wire.poll_fill(None, cx) {
                Poll::Ready(Ok(true)) => self.patience.renew(),
                Poll::Ready(Ok(false) | Err(_)) if self.framer.has_begun() => {
                    return Poll::Ready(Err(Ended::Failed(Failed::Bad(BadAnswer::Truncated))));
                }
                Poll::Ready(Ok(false) | Err(_)) => return Poll::Ready(Err(Ended::Broken)),
                Poll::Pending => {
                    return self
                        .patience
                        .poll_out(&mut self.wire, cx)
                        .map(|()| Err(Ended::Failed(self.late())));
                }
            }
        }
    }

    fn send(&mut self, cx: &mut Context<'_>) -> Result<(), Ended> {
        let Some(sending) = self.sending.as_mut().filter(|_| !self.broken) else {
            return Ok(());
        };
        let before = sending.written();
        let sent = sending.poll_send(&mut self.wire, cx);
        if sending.written() > before {
            self.patience.renew();
        }
        match sent {
            Poll::Pending => Ok(()),
            Poll::Ready(Ok(())) => {
                self.sending = None;
                Ok(())
            }
            Poll::Ready(Err(SendError::Body)) => {
                let fault = sending.state().fault().unwrap_or(BodyFault::Broken);
                Err(Ended::Failed(Failed::Body(fault)))
            }
            Poll::Ready(Err(SendError::Wire(error))) => {
                tracing::debug!(%error, "an application stopped reading a request");
                if sending.is_untouched() {
                    return Err(Ended::Broken);
                }
                self.broken = true;
                Ok(())
            }
        }
    }

    fn late(&self) -> Failed {
        let fault = self.sending.as_ref().and_then(|one| one.state().fault());
        fault.map_or(Failed::Late, Failed::Body)
    }

    fn broken(self) -> Failed {
        match self.sending {
            Some(sending) if sending.is_untouched() => Failed::Unsent(Box::new(sending)),
            _ => Failed::Broken,
        }
    }

    fn answered(self, head: AnswerHead) -> Answered {
        Answered {
            head,
            wire: self.wire,
            framer: self.framer,
            sending: self.sending.map(Box::new),
        }
    }
}
