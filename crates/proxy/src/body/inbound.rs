//! A visitor's request body: counted, and not waited for without end.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::Sleep;

use super::BoxError;

/// Why a request body ended early.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyFault {
    /// More than allowed.
    #[error("the request body is larger than allowed")]
    TooLarge,
    /// A pause longer than allowed.
    #[error("the request body paused for too long")]
    Slow,
    /// The connection broke, or the body is malformed.
    #[error("the request body broke off")]
    Broken,
}

/// What the forwarding phase knows about the body while it is on its way.
#[derive(Debug)]
pub struct InboundState {
    fault: Cell<Option<BodyFault>>,
    finished: Cell<bool>,
    moved: Cell<Instant>,
}

impl InboundState {
    fn new(finished: bool) -> Self {
        Self {
            fault: Cell::new(None),
            finished: Cell::new(finished),
            moved: Cell::new(Instant::now()),
        }
    }

    /// Why it ended early, if it did.
    pub fn fault(&self) -> Option<BodyFault> {
        self.fault.get()
    }

    /// True once it was taken to its end.
    pub fn is_finished(&self) -> bool {
        self.finished.get()
    }

    /// When it last moved.
    pub fn moved(&self) -> Instant {
        self.moved.get()
    }
}

/// The body.
#[derive(Debug)]
pub struct Inbound {
    /// `None`: a request without a body, sent again.
    inner: Option<Incoming>,
    left: u64,
    pause: Duration,
    waiting: Option<Pin<Box<Sleep>>>,
    state: Rc<InboundState>,
}

impl Inbound {
    /// At most `most` bytes, no pause longer than `pause`.
    pub fn new(inner: Incoming, most: u64, pause: Duration) -> Self {
        let finished = inner.is_end_stream();
        Self {
            inner: Some(inner),
            left: most,
            pause,
            waiting: None,
            state: Rc::new(InboundState::new(finished)),
        }
    }

    /// No body.
    pub fn empty() -> Self {
        Self {
            inner: None,
            left: 0,
            pause: Duration::ZERO,
            waiting: None,
            state: Rc::new(InboundState::new(true)),
        }
    }

    /// Tells how it goes, also after the body itself was given away.
    pub fn state(&self) -> Rc<InboundState> {
        Rc::clone(&self.state)
    }

    fn fail(&mut self, fault: BodyFault) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.state.fault.set(Some(fault));
        Poll::Ready(Some(Err(fault.into())))
    }

    fn poll_pause(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let pause = self.pause;
        self.waiting
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(pause)))
            .as_mut()
            .poll(cx)
    }
}

impl Body for Inbound {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        let Some(inner) = &mut this.inner else {
            return Poll::Ready(None);
        };
        match Pin::new(&mut *inner).poll_frame(cx) {
            Poll::Pending => match this.poll_pause(cx) {
                Poll::Ready(()) => this.fail(BodyFault::Slow),
                Poll::Pending => Poll::Pending,
            },
            Poll::Ready(None) => {
                this.state.finished.set(true);
                Poll::Ready(None)
            }
            Poll::Ready(Some(Err(_))) => this.fail(BodyFault::Broken),
            Poll::Ready(Some(Ok(frame))) => {
                this.waiting = None;
                this.state.moved.set(Instant::now());
                let length = frame.data_ref().map_or(0, Bytes::len);
                match this
                    .left
                    .checked_sub(u64::try_from(length).unwrap_or(u64::MAX))
                {
                    Some(left) => this.left = left,
                    None => return this.fail(BodyFault::TooLarge),
                }
                if this.is_end_stream() {
                    this.state.finished.set(true);
                }
                Poll::Ready(Some(Ok(frame)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Incoming::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner
            .as_ref()
            .map_or_else(|| SizeHint::with_exact(0), Incoming::size_hint)
    }
}
