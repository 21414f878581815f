//! Slots of tasks, which a runtime with several threads moves between them.

use std::cell::RefCell;
use std::sync::atomic::Ordering::Relaxed;

use super::clock;
use super::layout::{Slot, Thread};
use super::thread::{PollGuard, raise};
use super::writer::{Work, Writer};

thread_local! {
    static PLACE: RefCell<Option<Place>> = const { RefCell::new(None) };
}

/// The calling thread's place on a board, given up when the thread ends.
struct Place {
    writer: Writer,
    index: u16,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.writer.leave(self.index);
    }
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

    /// The calling thread's place; it gets one at the first call. `None` if all are taken, or the thread
    /// ends.
    fn here(&self) -> Option<(u16, &'static Thread)> {
        let of_this_board = |place: &&Place| std::ptr::eq(place.writer.board, self.board);
        let index = PLACE.try_with(|own| {
            let mut own = own.try_borrow_mut().ok()?;
            if let Some(known) = own.as_ref().filter(of_this_board) {
                return Some(known.index);
            }
            let writer = *self;
            let index = self.place()?;
            *own = Some(Place { writer, index });
            Some(index)
        });
        let index = index.ok().flatten()?;
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
    /// Marks this task as the one that the calling thread works on, until the mark is dropped; the thread
    /// counts as busy for so long. `None` if it has no place on the board.
    #[must_use]
    pub fn polling(&self) -> Option<TaskPollGuard> {
        let (here, thread) = self.writer.here()?;
        let (index, slot) = self.slot?;
        // It may have been moved here since its last poll.
        slot.thread.store(u32::from(here), Relaxed);
        Some(TaskPollGuard {
            thread,
            since: clock::now(),
            _mark: PollGuard::new(thread, Some(index)),
        })
    }

    /// Shows other deadlines; 0: none.
    pub fn set_deadlines(&self, soft: u64, hard: u64) {
        if let Some((_, slot)) = self.slot {
            slot.change(|| {
                slot.soft_deadline.store(soft, Relaxed);
                slot.hard_deadline.store(hard, Relaxed);
            });
        }
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

/// The time that a thread works on one task.
#[derive(Debug)]
pub struct TaskPollGuard {
    thread: &'static Thread,
    since: u64,
    _mark: PollGuard,
}

impl Drop for TaskPollGuard {
    fn drop(&mut self) {
        // Nothing else measures how busy a thread is that the runtime moves work to and from.
        let took = clock::now().saturating_sub(self.since);
        raise(&self.thread.loop_busy, took);
    }
}
