//! A visitor's request body: counted, and not waited for without end.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::Sleep;

use super::BoxError;
use super::spool::Spooled;
use crate::pulse::Pulse;

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
    fn new() -> Self {
        Self(Some(Rc::new(Marks {
            fault: Cell::new(None),
            finished: Cell::new(false),
            moved: Cell::new(Instant::now()),
        })))
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
    /// The visitor, by way of hyper.
    Visitor(Incoming),
    /// It is all here already.
    Spooled(Box<Spooled>),
}

/// How long one waits for a visitor's body.
#[derive(Debug, Clone, Copy, Default)]
pub struct BodyPace {
    /// Longest pause between two pieces.
    pub pause: Duration,
    /// Bytes a second, on average over the time spent waiting and after a first `pause`; 0 is any.
    pub rate: u64,
}

/// The body. Most requests have none, and all of them hand it through many phases: it is small.
#[derive(Debug)]
pub struct Inbound(Option<Box<Flow>>);

/// A body that is there.
#[derive(Debug)]
struct Flow {
    source: Source,
    left: u64,
    taken: u64,
    pace: BodyPace,
    /// All that was waited so far, and since when and until when now.
    waited: Duration,
    waiting: Option<(Instant, Pin<Box<Sleep>>)>,
    state: InboundState,
    /// The connection's stamps, while the visitor is waited for.
    watch: Option<Watch>,
}

/// Tells a connection's stamps of a body.
#[derive(Debug)]
struct Watch {
    pulse: Arc<Pulse>,
    begun: bool,
}

impl Watch {
    fn waits(&mut self) {
        if !self.begun {
            self.begun = true;
            self.pulse.body_begins();
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if self.begun {
            self.pulse.body_ends();
        }
    }
}

impl Inbound {
    /// No body.
    #[must_use]
    pub fn empty() -> Self {
        Self(None)
    }

    /// From a visitor. Nothing may be read before [`Inbound::limit`] has said how much.
    #[must_use]
    pub fn visitor(body: Incoming, pulse: &Arc<Pulse>) -> Self {
        let watch = Watch {
            pulse: Arc::clone(pulse),
            begun: false,
        };
        match body.is_end_stream() {
            true => Self::empty(),
            false => Self::new(Source::Visitor(body), Some(watch)),
        }
    }

    pub(super) fn spooled(body: Spooled) -> Self {
        match body.is_empty() {
            true => Self::empty(),
            false => Self::new(Source::Spooled(Box::new(body)), None),
        }
    }

    fn new(source: Source, watch: Option<Watch>) -> Self {
        Self(Some(Box::new(Flow {
            source,
            left: 0,
            taken: 0,
            pace: BodyPace::default(),
            waited: Duration::ZERO,
            waiting: None,
            state: InboundState::new(),
            watch,
        })))
    }

    /// At most `most` bytes, at this pace.
    pub fn limit(&mut self, most: u64, pace: BodyPace) {
        if let Some(flow) = &mut self.0 {
            flow.left = most;
            flow.pace = pace;
        }
    }

    /// Tells how it goes, also after the body itself was given away.
    #[must_use]
    pub fn state(&self) -> InboundState {
        InboundState(self.0.as_ref().and_then(|flow| flow.state.0.clone()))
    }
}

impl Flow {
    fn fail(&mut self, fault: BodyFault) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.state.mark(|marks| marks.fault.set(Some(fault)));
        Poll::Ready(Some(Err(fault.into())))
    }

    /// Ready when the visitor has paused for too long, or is too slow on the whole.
    fn poll_pause(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let BodyPace { pause, rate } = self.pace;
        let (_, alarm) = self.waiting.get_or_insert_with(|| {
            let now = Instant::now();
            let allowed = match self.taken.checked_div(rate) {
                Some(seconds) => pause.saturating_add(Duration::from_secs(seconds)),
                None => Duration::MAX,
            };
            let patience = pause.min(allowed.saturating_sub(self.waited));
            (now, Box::pin(tokio::time::sleep(patience)))
        });
        alarm.as_mut().poll(cx)
    }

    fn poll_visitor(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let Source::Visitor(inner) = &mut self.source else {
            return Poll::Ready(None);
        };
        let polled = Pin::new(inner).poll_frame(cx);
        if polled.is_pending() {
            if let Some(watch) = &mut self.watch {
                watch.waits();
            }
            return match self.poll_pause(cx) {
                Poll::Ready(()) => self.fail(BodyFault::Slow),
                Poll::Pending => Poll::Pending,
            };
        }
        if let Some((since, _)) = self.waiting.take() {
            self.waited += since.elapsed();
        }
        polled.map_err(Into::into)
    }
}

impl Flow {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let polled = match &mut self.source {
            Source::Spooled(body) => {
                return ready!(body.poll_frame(cx)).map_or(Poll::Ready(None), |frame| {
                    if self.is_end_stream() {
                        self.state.mark(|marks| marks.finished.set(true));
                    }
                    Poll::Ready(Some(frame.map_err(Into::into)))
                });
            }
            Source::Visitor(_) => ready!(self.poll_visitor(cx)),
        };
        match polled {
            None => {
                self.watch = None;
                self.state.mark(|marks| marks.finished.set(true));
                Poll::Ready(None)
            }
            Some(Err(error)) if self.state.fault().is_some() => Poll::Ready(Some(Err(error))),
            Some(Err(_)) => self.fail(BodyFault::Broken),
            Some(Ok(frame)) => {
                let length = frame.data_ref().map_or(0, Bytes::len);
                let length = u64::try_from(length).unwrap_or(u64::MAX);
                self.state.mark(|marks| marks.moved.set(Instant::now()));
                self.taken += length;
                if let Some(watch) = &self.watch {
                    watch.pulse.body_moves(length);
                }
                match self.left.checked_sub(length) {
                    Some(left) => self.left = left,
                    None => return self.fail(BodyFault::TooLarge),
                }
                if self.is_end_stream() {
                    self.watch = None;
                    self.state.mark(|marks| marks.finished.set(true));
                }
                Poll::Ready(Some(Ok(frame)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Visitor(body) => body.is_end_stream(),
            Source::Spooled(body) => body.is_empty(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Visitor(body) => body.size_hint(),
            Source::Spooled(body) => body
                .length()
                .map_or_else(SizeHint::default, SizeHint::with_exact),
        }
    }
}

impl Body for Inbound {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match &mut self.get_mut().0 {
            Some(flow) => flow.poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(|flow| flow.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.0
            .as_ref()
            .map_or_else(|| SizeHint::with_exact(0), |flow| flow.size_hint())
    }
}
