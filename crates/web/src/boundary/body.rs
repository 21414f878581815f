//! Bodies at the boundary: an answer's, which holds its request's slot, and a request's, which is
//! bounded.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::web::Bytes;
use futures_util::Stream;

use super::measure::InFlight;
use super::{Arrival, Shared};
use crate::load::Slot;
use crate::stall::Stall;

/// The body of an answer. The request is in flight until this is dropped.
pub struct Counted {
    body: BoxBody,
    held: Option<(Slot, InFlight)>,
    patience: Option<Patience>,
}

/// For a body that has an end, and stands still on its way there.
pub(super) struct Patience {
    stall: Stall,
    shared: Rc<Shared>,
    arrival: Rc<Arrival>,
}

impl Patience {
    pub(super) fn new(shared: &Rc<Shared>, arrival: &Rc<Arrival>) -> Self {
        Self {
            stall: Stall::new(shared.send_timeout),
            shared: Rc::clone(shared),
            arrival: Rc::clone(arrival),
        }
    }

    /// The body brings nothing now: how long that has been so.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<StoodStill> {
        ready!(self.stall.poll(cx));
        self.shared.stood_still(&self.arrival);
        Poll::Ready(StoodStill)
    }
}

/// An answer that was cut because its body brought nothing more.
#[derive(Debug, thiserror::Error)]
#[error("the body of the answer stood still for `web.send_timeout`")]
struct StoodStill;

impl Counted {
    pub(super) fn new(
        body: BoxBody,
        slot: Slot,
        in_flight: InFlight,
        patience: Option<Patience>,
    ) -> Self {
        Self {
            body,
            held: Some((slot, in_flight)),
            patience,
        }
    }
}

impl MessageBody for Counted {
    type Error = Box<dyn std::error::Error>;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let step = self.held.as_ref().and_then(|(slot, _)| slot.step());
        let next = Pin::new(&mut self.body).poll_next(cx);
        drop(step);
        match next {
            Poll::Ready(None) => self.held = None,
            Poll::Ready(Some(_)) => {
                if let Some(patience) = &mut self.patience {
                    patience.stall.went_on();
                }
            }
            Poll::Pending => {
                let patience = self.patience.as_mut();
                if let Some(Poll::Ready(problem)) = patience.map(|it| it.poll(cx)) {
                    self.held = None;
                    return Poll::Ready(Some(Err(problem.into())));
                }
            }
        }
        next
    }
}

/// A request body of unknown length that ends with an error past `limit`.
struct Limited {
    payload: Payload,
    left: usize,
}

/// `payload`, cut off after `limit` bytes.
pub(super) fn limited(payload: Payload, limit: usize) -> Payload {
    Payload::Stream {
        payload: Box::pin(Limited {
            payload,
            left: limit,
        }),
    }
}

impl Stream for Limited {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = ready!(Pin::new(&mut self.payload).poll_next(cx));
        let Some(Ok(chunk)) = next else {
            return Poll::Ready(next);
        };
        match self.left.checked_sub(chunk.len()) {
            Some(left) => {
                self.left = left;
                Poll::Ready(Some(Ok(chunk)))
            }
            None => {
                self.left = 0;
                Poll::Ready(Some(Err(PayloadError::Overflow)))
            }
        }
    }
}
