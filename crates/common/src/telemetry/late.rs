//! Spans that are made when something is logged in them, and not before.
//!
//! A span costs more than a small request: its fields are formatted and kept whether or not a line is
//! ever logged. Without an export of traces only log lines need it, and most requests log none. So
//! [`LateSpan`] remembers how to make the span; the outermost layer of the subscriber, [`Waker`], makes
//! and enters it when the first event or span inside it asks whether it is enabled. With an export, or
//! under a subscriber that is not ours, the span is made at once.
//!
//! `Span::current()` does not make it: code that hands its span to a task of its own logs there without
//! these fields, unless something was logged before.

use std::cell::{OnceCell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use tracing::level_filters::LevelFilter;
use tracing::span::EnteredSpan;
use tracing::subscriber::Interest;
use tracing::{Metadata, Span, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context as LayerContext;

/// True when the subscriber of this process has a [`Waker`].
static INSTALLED: AtomicBool = AtomicBool::new(false);

thread_local! {
    /// The span that whatever runs now belongs to.
    static CURRENT: RefCell<Option<Rc<Inner>>> = const { RefCell::new(None) };
}

/// Makes a span.
pub trait Describe {
    /// The span; called once at most.
    fn describe(&self) -> Span;
}

/// A span that may not exist yet. Clones are the same span.
#[derive(Clone)]
pub struct LateSpan(Rc<Inner>);

struct Inner {
    what: Rc<dyn Describe>,
    made: OnceCell<Span>,
    entered: RefCell<Option<EnteredSpan>>,
}

impl std::fmt::Debug for LateSpan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("LateSpan").field(&self.0.made).finish()
    }
}

impl LateSpan {
    /// The span that `what` describes.
    #[must_use]
    pub fn new(what: Rc<dyn Describe>) -> Self {
        let inner = Inner {
            what,
            made: OnceCell::new(),
            entered: RefCell::default(),
        };
        if !INSTALLED.load(Ordering::Relaxed) {
            drop(inner.made.set(inner.what.describe()));
        }
        Self(Rc::new(inner))
    }

    /// The span, if it was needed so far.
    #[must_use]
    pub fn made(&self) -> Option<&Span> {
        self.0.made.get()
    }

    /// Runs `future` inside this span.
    pub fn instrument<F>(&self, future: F) -> Instrumented<F> {
        Instrumented {
            span: self.clone(),
            future,
        }
    }

    fn enter(&self) -> Entered {
        if let Some(span) = self.made() {
            *self.0.entered.borrow_mut() = Some(span.clone().entered());
        }
        Entered {
            before: CURRENT.replace(Some(Rc::clone(&self.0))),
        }
    }
}

impl Inner {
    fn wake(&self) {
        if self.made.get().is_none() {
            let span = self.made.get_or_init(|| self.what.describe());
            *self.entered.borrow_mut() = Some(span.clone().entered());
        }
    }
}

/// Leaves the span when the poll is over, however it ends.
struct Entered {
    before: Option<Rc<Inner>>,
}

impl Drop for Entered {
    fn drop(&mut self) {
        if let Some(left) = CURRENT.replace(self.before.take()) {
            drop(left.entered.take());
        }
    }
}

/// A future inside a [`LateSpan`].
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct Instrumented<F> {
    span: LateSpan,
    future: F,
}

impl<F: Future + Unpin> Future for Instrumented<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let _entered = self.span.enter();
        Pin::new(&mut self.future).poll(cx)
    }
}

/// The layer that makes late spans. It must be the outermost one: the filters of those inside keep what
/// they decided about an event until it is over, and making a span asks them anew.
pub(super) struct Waker {
    level: Option<LevelFilter>,
}

impl Waker {
    /// For layers that let nothing more detailed than `level` pass.
    pub(super) fn new(level: Option<LevelFilter>) -> Self {
        Self { level }
    }

    /// To be called when the subscriber is the process's own.
    pub(super) fn installed() {
        INSTALLED.store(true, Ordering::Relaxed);
    }
}

impl<S: Subscriber> Layer<S> for Waker {
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        // "Always" would spare the question that wakes us.
        Interest::sometimes()
    }

    fn enabled(&self, _: &Metadata<'_>, _: LayerContext<'_, S>) -> bool {
        // Taken out meanwhile: the span that is made asks too.
        if let Some(current) = CURRENT.take() {
            current.wake();
            CURRENT.set(Some(current));
        }
        true
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        self.level
    }
}

#[cfg(test)]
mod tests;
