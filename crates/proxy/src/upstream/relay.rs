//! The body of an application's answer on its way to the visitor. When it is complete, the connection
//! it came over goes back to the pool; when it is dropped before, the connection is closed.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

use super::client::{BadAnswer, Event, Framer, Patience, Sending, Wire};
use super::turn::Seat;
use crate::body::{BoxError, Outbound};

/// The connection an answer comes over, and the place it takes.
#[derive(Debug)]
pub(super) struct Lease {
    pub(super) wire: Wire,
    pub(super) seat: Seat,
    /// The rest of the request, if the application answered early.
    pub(super) sending: Option<Box<Sending>>,
    /// The answer allows another request.
    pub(super) reusable: bool,
}

impl Lease {
    /// The answer is complete. If the request is not (the application answered early), the rest of it
    /// may still be on its way: such a connection is not used again.
    fn end(self) {
        if self.reusable && self.sending.is_none() {
            self.seat.pool().give_back(self.wire);
        }
    }

    /// An application that answers early may read on all the same; one that does not is no reason to
    /// give up its answer.
    fn send_on(&mut self, cx: &mut Context<'_>) {
        let Some(sending) = &mut self.sending else {
            return;
        };
        match sending.poll_send(&mut self.wire, cx) {
            Poll::Pending => {}
            Poll::Ready(Ok(())) => self.sending = None,
            Poll::Ready(Err(_)) => {
                self.sending = None;
                self.reusable = false;
            }
        }
    }
}

/// An answer's body.
#[derive(Debug)]
pub struct Relay {
    lease: Option<Lease>,
    framer: Framer,
    /// What came with the head.
    first: Option<Event>,
    patience: Patience,
    pause: Duration,
    /// It broke off: told when what came before is on its way.
    failed: Option<BoxError>,
}

/// The body that `framer` finds: in memory if it came whole with the head. `pause` is how long the
/// application may be silent within it.
///
/// # Errors
/// It is malformed where it begins.
pub(super) fn body(
    mut framer: Framer,
    mut lease: Lease,
    pause: Duration,
) -> Result<Outbound, BadAnswer> {
    let first = framer.step(&mut lease.wire.unread)?;
    if framer.is_complete() && !matches!(first, Some(Event::Trailers(_))) {
        lease.end();
        return Ok(match first {
            Some(Event::Data(bytes)) => Outbound::full(bytes),
            _ => Outbound::empty(),
        });
    }
    Ok(Outbound::Relay(Box::new(Relay {
        lease: Some(lease),
        framer,
        first,
        patience: Patience::new(pause),
        pause,
        failed: None,
    })))
}

impl Relay {
    /// Lets go of the connection once everything was read from it.
    fn note_end(&mut self) {
        if self.framer.is_complete()
            && let Some(lease) = self.lease.take()
        {
            lease.end();
        }
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Event>, BoxError>> {
        if let Some(event) = self.first.take() {
            return Poll::Ready(Ok(Some(event)));
        }
        let Some(lease) = &mut self.lease else {
            return Poll::Ready(Ok(None));
        };
        lease.send_on(cx);
        loop {
            match self.framer.step(&mut lease.wire.unread) {
                Ok(None) if self.framer.is_complete() => return Poll::Ready(Ok(None)),
                Ok(None) => {}
                event => {
                    self.patience.renew();
                    return Poll::Ready(Ok(event?));
                }
            }
            match lease.wire.poll_fill(self.framer.left(), cx) {
                Poll::Ready(Ok(true)) => {}
                Poll::Ready(Ok(false)) => {
                    self.framer.end()?;
                    return Poll::Ready(Ok(None));
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error.into())),
                Poll::Pending => {
                    let pause = self.pause;
                    return self.patience.poll_out(&mut lease.wire, cx).map(|()| {
                        let problem = format!("the application paused for {pause:?} in its answer");
                        Err(problem.into())
                    });
                }
            }
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
        if let Some(error) = this.failed.take() {
            return Poll::Ready(Some(Err(error)));
        }
        let event = std::task::ready!(this.poll_event(cx));
        Poll::Ready(match event {
            Ok(event) => {
                this.note_end();
                match event {
                    Some(Event::Data(bytes)) => Some(Ok(Frame::data(bytes))),
                    Some(Event::Trailers(trailers)) => Some(Ok(Frame::trailers(trailers))),
                    // There is one head, and it was taken.
                    Some(Event::Head(_) | Event::Interim(_)) | None => None,
                }
            }
            Err(error) => {
                // hyper drops what it has not written yet when a body fails: let it write first.
                this.lease = None;
                this.failed = Some(error);
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.framer.is_complete() && self.first.is_none() && self.failed.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        let first = match &self.first {
            Some(Event::Data(bytes)) => u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            _ => 0,
        };
        match self.framer.left() {
            // Trailers need chunks.
            Some(left) if !matches!(self.first, Some(Event::Trailers(_))) => {
                SizeHint::with_exact(left + first)
            }
            _ => SizeHint::default(),
        }
    }
}
