//! Slots of tasks, which a runtime with several threads moves between them.

use std::cell::Cell;
use std::sync::atomic::Ordering::Relaxed;

use super::clock;
use super::layout::{Slot, Thread};
use super::thread::{PollGuard, raise};
use super::writer::{Work, Writer};

thread_local! {
    /// The calling thread's place, and the board that it is on.
    static PLACE: Cell<Option<(usize, u16)>> = const { Cell::new(None) };
}

impl Writer {
    /// A task begins; it is on the board until the guard is dropped, on whatever thread. Never fails:
    /// when all slots are taken it is counted and runs without one.
    #[must_use]
    pub fn begin_task(&self, work: &Work<'_>) -> TaskGuard {
        let here = self.here();
        let slot = self
            .take_one()
            .and_then(|index| Some((index, self.slot_at(index)?)));
        match slot {
            Some((_, slot)) => slot.fill(here.map_or(u16::MAX, |(index, _)| index), work),
            None => self.count_untracked(),
        }
        if let Some((_, thread)) = here {
            raise(&thread.requests, 1);
        }
        TaskGuard {
            writer: *self,
            slot,
        }
    }

    /// Gives every thread that works on no task, or began its work after the last call, a heartbeat:
    /// call it every 100 ms from outside the threads that run tasks. A thread is silent then exactly as
    /// long as one poll of one task keeps it.
    pub fn beat_for_idle_threads(&self) {
        let now = clock::now();
        for thread in &self.board.threads {
            if thread.tid.load(Relaxed) == 0 {
                continue;
            }
            let is_idle = thread.polled.load(Relaxed) == 0;
            if is_idle || thread.poll_since.load(Relaxed) > thread.heartbeat.load(Relaxed) {
                thread.heartbeat.store(now, Relaxed);
            }
        }
    }

    /// The calling thread's place; it gets one at the first call, for ever.
    fn here(&self) -> Option<(u16, &'static Thread)> {
        let board = std::ptr::from_ref(self.board).addr();
        let known = PLACE.get().filter(|(of, _)| *of == board);
        let index = match known {
            Some((_, index)) => index,
            None => {
                let index = self.place()?;
                PLACE.set(Some((board, index)));
                index
            }
        };
        Some((index, self.thread_at(index)?))
    }
}

/// A task on the board; taken off when dropped.
#[derive(Debug)]
pub struct TaskGuard {
    writer: Writer,
    slot: Option<(u16, &'static Slot)>,
}

impl TaskGuard {
    /// Marks this task as the one that the calling thread works on, until the mark is dropped. `None` if
    /// the thread has no place on the board.
    #[must_use]
    pub fn polling(&self) -> Option<PollGuard> {
        let (_, thread) = self.writer.here()?;
        let (index, slot) = self.slot?;
        let here = self.writer.here().map_or(u16::MAX, |(index, _)| index);
        // It may have been moved here since its last poll.
        slot.thread.store(u32::from(here), Relaxed);
        Some(PollGuard::new(thread, Some(index)))
    }

    /// The task has an outcome, as the status that [`answers`](super::ThreadView::answers) names, after
    /// so many nanoseconds.
    pub fn ended(&self, status: u16, took: u64) {
        if let Some((_, thread)) = self.writer.here() {
            thread.ended(status, took);
        }
    }

    /// The task was given up at its soft deadline.
    pub fn timed_out(&self) {
        if let Some((_, thread)) = self.writer.here() {
            raise(&thread.soft_timeouts, 1);
        }
    }

    /// The task panicked.
    pub fn panicked(&self) {
        if let Some((_, thread)) = self.writer.here() {
            raise(&thread.panics, 1);
        }
    }
}

impl Drop for TaskGuard {
    fn drop(&mut self) {
        if let Some((index, slot)) = self.slot.take() {
            slot.clear();
            self.writer.give_back(index);
        }
    }
}
