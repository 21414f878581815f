//! Bodies at the boundary: an answer's, which holds its request's slot, and a request's, which is
//! bounded.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::web::Bytes;
use futures_util::Stream;

use super::measure::InFlight;
use crate::load::Slot;

/// The body of an answer. The request is in flight until this is dropped.
pub struct Counted {
    body: BoxBody,
    held: Option<(Slot, InFlight)>,
}

impl Counted {
    pub(super) fn new(body: BoxBody, slot: Slot, in_flight: InFlight) -> Self {
        Self {
            body,
            held: Some((slot, in_flight)),
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
        let mark = self.held.as_ref().and_then(|(slot, _)| slot.polling());
        let next = ready!(Pin::new(&mut self.body).poll_next(cx));
        drop(mark);
        if next.is_none() {
            self.held = None;
        }
        Poll::Ready(next)
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
