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

/// What the forwarding phase knows about the body while it is on its way. Clones share it.
#[derive(Debug, Clone)]
pub struct InboundState(Option<Rc<Marks>>);

#[derive(Debug)]
struct Marks {
    fault: Cell<Option<BodyFault>>,
    finished: Cell<bool>,
    moved: Cell<Instant>,
}

impl InboundState {
    fn new(finished: bool) -> Self {
        Self((!finished).then(|| {
            Rc::new(Marks {
                fault: Cell::new(None),
                finished: Cell::new(false),
                moved: Cell::new(Instant::now()),
            })
        }))
    }

    /// Why it ended early, if it did.
    #[must_use]
    pub fn fault(&self) -> Option<BodyFault> {
        self.0.as_ref()?.fault.get()
    }

    /// True once it was taken to its end.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.0.as_ref().is_none_or(|marks| marks.finished.get())
    }

    /// When it last moved; `None` for a request without a body.
    #[must_use]
    pub fn moved(&self) -> Option<Instant> {
        Some(self.0.as_ref()?.moved.get())
    }

    fn mark(&self, mark: impl Fn(&Marks)) {
        if let Some(marks) = &self.0 {
            mark(marks);
        }
    }
}

/// Where the body comes from.
#[derive(Debug)]
enum Source {
    /// There is none.
    Empty,
    /// The visitor, by way of hyper.
    Visitor(Incoming),
}

/// The body.
#[derive(Debug)]
pub struct Inbound {
    source: Source,
    left: u64,
    pause: Duration,
    waiting: Option<Pin<Box<Sleep>>>,
    state: InboundState,
}

impl Inbound {
    /// No body.
    #[must_use]
    pub fn empty() -> Self {
        Self::new(Source::Empty, true)
    }

    /// From a visitor. Nothing may be read before [`Inbound::limit`] has said how much.
    #[must_use]
    pub fn visitor(body: Incoming) -> Self {
        let finished = body.is_end_stream();
        Self::new(Source::Visitor(body), finished)
    }

    fn new(source: Source, finished: bool) -> Self {
        Self {
            source,
            left: 0,
            pause: Duration::ZERO,
            waiting: None,
            state: InboundState::new(finished),
        }
    }

    /// At most `most` bytes, no pause longer than `pause`.
    pub fn limit(&mut self, most: u64, pause: Duration) {
        self.left = most;
        self.pause = pause;
    }

    /// Tells how it goes, also after the body itself was given away.
    #[must_use]
    pub fn state(&self) -> InboundState {
        self.state.clone()
    }

    fn fail(&mut self, fault: BodyFault) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.state.mark(|marks| marks.fault.set(Some(fault)));
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
        let Source::Visitor(inner) = &mut this.source else {
            return Poll::Ready(None);
        };
        match Pin::new(&mut *inner).poll_frame(cx) {
            Poll::Pending => match this.poll_pause(cx) {
                Poll::Ready(()) => this.fail(BodyFault::Slow),
                Poll::Pending => Poll::Pending,
            },
            Poll::Ready(None) => {
                this.state.mark(|marks| marks.finished.set(true));
                Poll::Ready(None)
            }
            Poll::Ready(Some(Err(_))) => this.fail(BodyFault::Broken),
            Poll::Ready(Some(Ok(frame))) => {
                this.waiting = None;
                this.state.mark(|marks| marks.moved.set(Instant::now()));
                let length = frame.data_ref().map_or(0, Bytes::len);
                match this
                    .left
                    .checked_sub(u64::try_from(length).unwrap_or(u64::MAX))
                {
                    Some(left) => this.left = left,
                    None => return this.fail(BodyFault::TooLarge),
                }
                if this.is_end_stream() {
                    this.state.mark(|marks| marks.finished.set(true));
                }
                Poll::Ready(Some(Ok(frame)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Empty => true,
            Source::Visitor(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Empty => SizeHint::with_exact(0),
            Source::Visitor(body) => body.size_hint(),
        }
    }
}
