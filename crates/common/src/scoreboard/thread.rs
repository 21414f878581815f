//! A thread's place on the board, and the slots of what the thread runs.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use super::clock;
use super::layout::{QUEUE_TIME_BOUNDS, SLOTS, Slot, THREADS, Thread};
use super::view::Kind;
use super::writer::{Work, Writer};
use crate::kernel::stack;

const NANOSECONDS: u64 = 1_000_000;

/// The place of the calling thread, which it must not leave. The place is given up when this and all
/// its [`SlotGuard`]s are dropped. Clones write the same one.
#[derive(Debug, Clone)]
pub struct ThreadWriter {
    place: Rc<Place>,
}

#[derive(Debug)]
struct Place {
    writer: Writer,
    thread: &'static Thread,
    index: u16,
    /// Slots that are this thread's and free.
    free: RefCell<Vec<u16>>,
}

impl ThreadWriter {
    pub(super) fn new(writer: Writer, index: u16) -> Self {
        let index = index.min(THREADS as u16 - 1);
        let place = Place {
            writer,
            thread: &writer.board.threads[usize::from(index)],
            index,
            free: RefCell::new(Vec::with_capacity(SLOTS)),
        };
        Self {
            place: Rc::new(place),
        }
    }

    /// The event loop runs: call it every 100 ms from a timer on it, with the nanoseconds that the loop
    /// was busy since it began.
    pub fn beat(&self, loop_busy: u64) {
        let thread = self.place.thread;
        thread.loop_busy.store(loop_busy, Relaxed);
        thread.heartbeat.store(clock::now(), Relaxed);
    }

    /// So many connections are open now.
    pub fn set_connections(&self, count: usize) {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        self.place.thread.connections.store(count, Relaxed);
    }

    /// A request begins; it is on the board until the guard is dropped. Never fails: when all slots are
    /// taken it is counted and runs without one.
    #[must_use]
    pub fn begin(&self, work: &Work<'_>) -> SlotGuard {
        raise(&self.place.thread.requests, 1);
        self.go_on(work)
    }

    /// What a request has begun goes on without it, such as the conversation over a WebSocket: it is on
    /// the board until the guard is dropped, and is not counted as one more request.
    #[must_use]
    pub fn go_on(&self, work: &Work<'_>) -> SlotGuard {
        let place = &self.place;
        let thread = place.thread;
        thread
            .in_flight
            .store(thread.in_flight.load(Relaxed).wrapping_add(1), Relaxed);
        let slot = place.take();
        match slot {
            Some((_, slot)) => slot.fill(place.index, work),
            None => place.writer.count_untracked(),
        }
        SlotGuard {
            thread: self.clone(),
            slot,
        }
    }

    /// An answer's head is complete: its status, and the nanoseconds since the request began.
    pub fn answered(&self, status: u16, took: u64) {
        self.place.thread.ended(status, took);
    }

    /// A handler was given up at its soft deadline.
    pub fn timed_out(&self) {
        raise(&self.place.thread.soft_timeouts, 1);
    }

    /// A handler panicked.
    pub fn panicked(&self) {
        raise(&self.place.thread.panics, 1);
    }

    /// A request was not begun because it had waited too long.
    pub fn refused_queue_time(&self) {
        raise(&self.place.thread.refused_queue_time, 1);
    }

    /// A request was not begun because its client has gone.
    pub fn refused_client_gone(&self) {
        raise(&self.place.thread.refused_client_gone, 1);
    }

    /// A request was not begun because too many were in flight.
    pub fn refused_concurrency(&self) {
        raise(&self.place.thread.refused_concurrency, 1);
    }

    /// A request had waited so many nanoseconds when it began.
    pub fn waited(&self, nanoseconds: u64) {
        let thread = self.place.thread;
        let class = QUEUE_TIME_BOUNDS
            .iter()
            .position(|bound| nanoseconds <= bound * NANOSECONDS)
            .unwrap_or(QUEUE_TIME_BOUNDS.len());
        raise(&thread.queue_times[class], 1);
        raise(&thread.queue_time_sum, nanoseconds);
    }
}

impl Place {
    fn take(&self) -> Option<(u16, &'static Slot)> {
        let mut free = self.free.borrow_mut();
        if free.is_empty() {
            self.writer.take_block(&mut free);
        }
        let index = free.pop()?;
        Some((index, self.writer.slot_at(index)?))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.writer.leave(self.index);
    }
}

/// A request on the board; taken off when dropped.
#[derive(Debug)]
pub struct SlotGuard {
    thread: ThreadWriter,
    slot: Option<(u16, &'static Slot)>,
}

impl SlotGuard {
    /// The request turned out to be something else.
    pub fn set_kind(&self, kind: Kind) {
        if let Some((_, slot)) = self.slot {
            slot.change(|| slot.kind.store(kind.code(), Relaxed));
        }
    }

    /// The request got other deadlines; 0: none.
    pub fn set_deadlines(&self, soft: u64, hard: u64) {
        self.deadlines().set(soft, hard);
    }

    /// The deadlines of the request, for who does not hold the guard. They must not be set after the
    /// guard is gone: the slot may be another request's by then.
    #[must_use]
    pub fn deadlines(&self) -> Deadlines {
        Deadlines {
            slot: self.slot.map(|(_, slot)| slot),
            on_this_thread: PhantomData,
        }
    }

    /// Marks this request as the one that the thread works on, until the mark is dropped.
    #[must_use]
    pub fn polling(&self) -> PollGuard {
        PollGuard::new(self.thread.place.thread, self.slot.map(|(index, _)| index))
    }
}

impl Drop for SlotGuard {
    fn drop(&mut self) {
        let place = &self.thread.place;
        let in_flight = &place.thread.in_flight;
        in_flight.store(in_flight.load(Relaxed).wrapping_sub(1), Relaxed);
        if let Some((index, slot)) = self.slot {
            slot.clear();
            place.free.borrow_mut().push(index);
        }
    }
}

/// Where the deadlines of a request are shown.
#[derive(Debug, Clone, Copy)]
pub struct Deadlines {
    slot: Option<&'static Slot>,
    on_this_thread: PhantomData<Rc<()>>,
}

impl Deadlines {
    /// Shows other deadlines; 0: none.
    pub fn set(self, soft: u64, hard: u64) {
        if let Some(slot) = self.slot {
            slot.change(|| {
                slot.soft_deadline.store(soft, Relaxed);
                slot.hard_deadline.store(hard, Relaxed);
            });
        }
    }
}

/// The time that a thread works on one request or task. Marks nest.
#[derive(Debug)]
pub struct PollGuard {
    thread: &'static Thread,
    before: (u32, u64, u64),
}

impl PollGuard {
    pub(super) fn new(thread: &'static Thread, slot: Option<u16>) -> Self {
        let before = (
            thread.polled.load(Relaxed),
            thread.poll_since.load(Relaxed),
            thread.mark.load(Relaxed),
        );
        thread.mark.store(stack::here() as u64, Relaxed);
        thread.poll_since.store(clock::roughly_now(), Relaxed);
        let polled = slot.map_or(0, |slot| u32::from(slot) + 1);
        thread.polled.store(polled, Relaxed);
        Self { thread, before }
    }
}

impl Drop for PollGuard {
    fn drop(&mut self) {
        let (polled, since, mark) = self.before;
        self.thread.polled.store(polled, Relaxed);
        self.thread.poll_since.store(since, Relaxed);
        self.thread.mark.store(mark, Relaxed);
    }
}

impl Thread {
    pub(super) fn ended(&self, status: u16, took: u64) {
        let class = usize::from(status / 100).saturating_sub(1).min(4);
        raise(&self.answers[class], 1);
        raise(&self.handling, took);
    }
}

/// One thread alone writes the counter, so no locked instruction is needed.
pub(super) fn raise(counter: &AtomicU64, by: u64) {
    counter.store(counter.load(Relaxed).wrapping_add(by), Relaxed);
}
