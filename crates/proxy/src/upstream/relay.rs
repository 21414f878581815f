//! The body of an application's answer on its way to the visitor. When it is complete, the connection
//! it came over goes back to the pool; when it is dropped before, the connection is closed.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::Sleep;

use super::pool::Sender;
use super::turn::Seat;
use crate::body::{BoxError, InboundState};

/// The connection an answer comes over, and the place it takes.
#[derive(Debug)]
pub(super) struct Lease {
    pub(super) sender: Sender,
    pub(super) request: InboundState,
    pub(super) seat: Seat,
}

impl Lease {
    /// The answer is complete. If the request is not (the application answered early), the rest of
    /// it may still be on its way: such a connection is not used again.
    fn end(self) {
        if self.request.is_finished() {
            self.seat.pool().give_back(self.sender);
        }
    }
}

/// An answer's body.
#[derive(Debug)]
pub struct Relay {
    inner: Incoming,
    lease: Option<Lease>,
    pause: Duration,
    waiting: Option<Pin<Box<Sleep>>>,
}

impl Relay {
    pub(super) fn new(inner: Incoming, lease: Lease, pause: Duration) -> Self {
        let mut relay = Self {
            inner,
            lease: Some(lease),
            pause,
            waiting: None,
        };
        relay.note_end();
        relay
    }

    fn note_end(&mut self) {
        if self.inner.is_end_stream()
            && let Some(lease) = self.lease.take()
        {
            lease.end();
        }
    }
}

impl Body for Relay {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        match Pin::new(&mut this.inner).poll_frame(cx) {
            Poll::Pending => {
                let pause = this.pause;
                let waiting = this
                    .waiting
                    .get_or_insert_with(|| Box::pin(tokio::time::sleep(pause)));
                match waiting.as_mut().poll(cx) {
                    Poll::Pending => Poll::Pending,
                    Poll::Ready(()) => Poll::Ready(Some(Err(format!(
                        "the application paused for {pause:?} within its answer"
                    )
                    .into()))),
                }
            }
            Poll::Ready(None) => {
                if let Some(lease) = this.lease.take() {
                    lease.end();
                }
                Poll::Ready(None)
            }
            Poll::Ready(Some(Err(error))) => {
                this.lease = None;
                Poll::Ready(Some(Err(error.into())))
            }
            Poll::Ready(Some(Ok(frame))) => {
                this.waiting = None;
                this.note_end();
                Poll::Ready(Some(Ok(frame)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
