//! One answer on its way from the application into the cache, and everybody who reads along.
//!
//! The first request for a key leads: a task of its own fetches the answer, so that it goes on when that
//! visitor leaves. Others join: they wait for the head, then read what has come so far and what comes.
//! An answer that turns out larger than allowed is not stored, but its readers get it to the end, at the
//! pace of the slowest.

mod reader;
mod table;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::HeaderMap;
use parking_lot::Mutex;

pub use reader::FillReader;
pub use table::{Fills, Place};

use super::entry::{Entry, Head};
use super::vary::Selection;

/// How far the fetching may be ahead of the slowest reader when nothing is stored.
const WINDOW: usize = 1 << 20;

/// What became of a fill's head.
#[derive(Debug, Clone)]
pub enum Stage {
    /// Nothing came yet.
    Pending,
    /// The answer is stored as it comes.
    Streaming(Arc<Head>),
    /// The stored answer still holds, or is used although it is stale.
    Settled(Arc<Entry>),
    /// The answer is for the leader alone.
    Passed,
}

/// How a body ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Whole.
    Complete,
    /// It broke off.
    Broken,
}

#[derive(Debug)]
struct Slot {
    /// Number of the chunk it takes next; `None` once it has left.
    next: Option<usize>,
    waker: Option<Waker>,
}

#[derive(Debug)]
struct State {
    stage: Stage,
    /// What all readers together have not let go.
    chunks: VecDeque<Bytes>,
    /// Number of the first of them.
    first: usize,
    /// Bytes in `chunks`.
    held: usize,
    /// False: nothing is stored any more, chunks that everybody has read are dropped.
    keeping: bool,
    end: Option<End>,
    readers: Vec<Slot>,
    /// Those who wait for the head.
    waiting: Vec<Waker>,
    /// The fetching task, when it is too far ahead.
    pump: Option<Waker>,
}

impl State {
    fn wake_all(&mut self) -> Vec<Waker> {
        let mut wakers = std::mem::take(&mut self.waiting);
        wakers.extend(self.readers.iter_mut().filter_map(|slot| slot.waker.take()));
        wakers
    }

    /// Drops what everybody has read, and returns the fetching task to wake if there is room again.
    fn let_go(&mut self) -> Option<Waker> {
        if self.keeping {
            return None;
        }
        let slowest = self.readers.iter().filter_map(|slot| slot.next).min();
        let end = self.first + self.chunks.len();
        while self.first < slowest.unwrap_or(end) {
            let Some(chunk) = self.chunks.pop_front() else {
                break;
            };
            self.held -= chunk.len();
            self.first += 1;
        }
        if self.held < WINDOW {
            self.pump.take()
        } else {
            None
        }
    }

    fn has_readers(&self) -> bool {
        self.readers.iter().any(|slot| slot.next.is_some())
    }
}

/// One answer on its way.
#[derive(Debug)]
pub struct Fill {
    /// What it is expected to vary by, with the leader's values.
    expected: Option<Selection>,
    state: Mutex<State>,
    doomed: AtomicBool,
}

impl Fill {
    /// Nothing came yet.
    #[must_use]
    pub fn new(expected: Option<Selection>) -> Arc<Self> {
        Arc::new(Self {
            expected,
            state: Mutex::new(State {
                stage: Stage::Pending,
                chunks: VecDeque::new(),
                first: 0,
                held: 0,
                keeping: true,
                end: None,
                readers: Vec::new(),
                waiting: Vec::new(),
                pump: None,
            }),
            doomed: AtomicBool::new(false),
        })
    }

    /// The key was invalidated or purged meanwhile: what comes must not be stored.
    pub fn doom(&self) {
        self.doomed.store(true, Ordering::Relaxed);
    }

    /// True if it must not be stored.
    #[must_use]
    pub fn is_doomed(&self) -> bool {
        self.doomed.load(Ordering::Relaxed)
    }

    /// True if `request` may hope for this answer.
    fn suits(&self, request: &HeaderMap) -> bool {
        match &self.state.lock().stage {
            Stage::Pending => self
                .expected
                .as_ref()
                .is_none_or(|selection| selection.matches(request)),
            Stage::Streaming(head) => head.selection.matches(request),
            Stage::Settled(_) | Stage::Passed => false,
        }
    }

    /// The head is known.
    pub fn set_stage(&self, stage: Stage) {
        let wakers = {
            let mut state = self.state.lock();
            state.stage = stage;
            state.wake_all()
        };
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Waits for the head.
    pub async fn stage(&self) -> Stage {
        std::future::poll_fn(|cx| {
            let mut state = self.state.lock();
            if let Stage::Pending = state.stage {
                if !state
                    .waiting
                    .iter()
                    .any(|waker| waker.will_wake(cx.waker()))
                {
                    state.waiting.push(cx.waker().clone());
                }
                return Poll::Pending;
            }
            Poll::Ready(state.stage.clone())
        })
        .await
    }

    /// Reads along from the first byte; `None` if that is gone.
    #[must_use]
    pub fn reader(self: &Arc<Self>, length: Option<u64>) -> Option<FillReader> {
        let mut state = self.state.lock();
        if state.first > 0 || state.end == Some(End::Broken) {
            return None;
        }
        state.readers.push(Slot {
            next: Some(0),
            waker: None,
        });
        let slot = state.readers.len() - 1;
        drop(state);
        Some(FillReader::new(Arc::clone(self), slot, length))
    }

    /// One more chunk.
    pub fn push(&self, chunk: Bytes) {
        let wakers = {
            let mut state = self.state.lock();
            state.held += chunk.len();
            state.chunks.push_back(chunk);
            state.let_go();
            state.wake_all()
        };
        wakers.into_iter().for_each(Waker::wake);
    }

    /// The body is over.
    pub fn end(&self, end: End) {
        let wakers = {
            let mut state = self.state.lock();
            state.end = Some(end);
            state.wake_all()
        };
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Nobody fetches any more: whoever still waits or reads is told.
    pub fn abandon(&self) {
        let wakers = {
            let mut state = self.state.lock();
            if let Stage::Pending = state.stage {
                state.stage = Stage::Passed;
            }
            state.end.get_or_insert(End::Broken);
            state.wake_all()
        };
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Nothing is stored any more: only readers count from here on.
    pub fn stop_keeping(&self) {
        let mut state = self.state.lock();
        state.keeping = false;
        state.let_go();
    }

    /// Everything that came, as one. (Only while everything is kept.)
    #[must_use]
    pub fn content(&self) -> Bytes {
        let state = self.state.lock();
        if state.chunks.len() == 1
            && let Some(chunk) = state.chunks.front()
        {
            return chunk.clone();
        }
        let mut whole = Vec::with_capacity(state.held);
        for chunk in &state.chunks {
            whole.extend_from_slice(chunk);
        }
        Bytes::from(whole)
    }

    /// False once nobody reads.
    #[must_use]
    pub fn has_readers(&self) -> bool {
        self.state.lock().has_readers()
    }

    /// Waits until the slowest reader is near enough; false if nobody reads any more.
    pub async fn room(&self) -> bool {
        std::future::poll_fn(|cx| {
            let mut state = self.state.lock();
            if state.keeping {
                return Poll::Ready(true);
            }
            if !state.has_readers() {
                return Poll::Ready(false);
            }
            if state.held < WINDOW {
                return Poll::Ready(true);
            }
            state.pump = Some(cx.waker().clone());
            Poll::Pending
        })
        .await
    }

    /// The next chunk for the reader in `slot`.
    fn poll_chunk(&self, slot: usize, cx: &Context<'_>) -> Poll<Option<Result<Bytes, ()>>> {
        let mut state = self.state.lock();
        let (first, end) = (state.first, state.end);
        let next = state.readers.get(slot).and_then(|slot| slot.next);
        let chunk = next
            .and_then(|next| next.checked_sub(first))
            .and_then(|index| state.chunks.get(index).cloned());
        let Some(own) = state.readers.get_mut(slot) else {
            return Poll::Ready(Some(Err(())));
        };
        if let Some(chunk) = chunk {
            own.next = next.map(|next| next + 1);
            let pump = state.let_go();
            drop(state);
            if let Some(pump) = pump {
                pump.wake();
            }
            return Poll::Ready(Some(Ok(chunk)));
        }
        match end {
            Some(End::Complete) => Poll::Ready(None),
            Some(End::Broken) => Poll::Ready(Some(Err(()))),
            None => {
                own.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    fn is_at_end(&self, slot: usize) -> bool {
        let state = self.state.lock();
        let next = state.readers.get(slot).and_then(|slot| slot.next);
        state.end == Some(End::Complete) && next == Some(state.first + state.chunks.len())
    }

    fn leave(&self, slot: usize) {
        let pump = {
            let mut state = self.state.lock();
            if let Some(own) = state.readers.get_mut(slot) {
                own.next = None;
                own.waker = None;
            }
            let pump = state.let_go();
            if state.has_readers() {
                pump
            } else {
                pump.or(state.pump.take())
            }
        };
        if let Some(pump) = pump {
            pump.wake();
        }
    }
}
