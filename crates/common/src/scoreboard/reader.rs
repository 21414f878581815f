//! The supervisor's side of a board.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::Ordering::{Acquire, Relaxed};
use std::sync::atomic::{AtomicU64, fence};

use super::layout::{
    Board, MAGIC, REQUESTS, SLOTS, STACK_HANDLER, Slot, TASKS, THREADS, Thread, VERSION,
};
use super::snapshot::Snapshot;
use super::view::{Kind, QueueTimes, Refused, SlotView, StackView, State, ThreadView};
use super::{clock, text};
use crate::kernel::memory::{self, Mapping};
use crate::kernel::stack::FRAMES;

/// A slot that changes so often while it is read holds nothing that runs long.
const TRIES: usize = 8;

/// A board that is read.
#[derive(Debug)]
pub struct Scoreboard {
    board: Mapping<Board>,
}

impl Scoreboard {
    /// A new board and the descriptor for the process that is to write it.
    ///
    /// # Errors
    /// No memory, or no descriptor is left.
    pub fn create() -> io::Result<(Self, OwnedFd)> {
        let (board, descriptor) = memory::create("kiuas-scoreboard")?;
        Ok((Self { board }, descriptor))
    }

    /// A board that another process of the same version created.
    ///
    /// # Errors
    /// The descriptor is no board, or one of another version.
    pub fn open(descriptor: impl AsFd) -> io::Result<Self> {
        Mapping::of(descriptor).map(|board| Self { board })
    }

    /// What the board says now. It takes some microseconds and a bounded amount of memory, whatever the
    /// bytes are.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let header = &self.board.header;
        let is_written =
            header.magic.load(Acquire) == MAGIC && header.version.load(Relaxed) == VERSION;
        let flags = header.flags.load(Relaxed);
        let (threads, slots) = if is_written {
            (self.threads(), self.slots())
        } else {
            (Vec::new(), Vec::new())
        };
        let (threads, ended) = threads.into_iter().partition(|thread| thread.tid != 0);
        // Asked for last, so that honest times are not cut.
        let taken_at = clock::now();
        let mut snapshot = Snapshot {
            taken_at,
            is_written,
            pid: header.pid.load(Relaxed),
            state: State::of(header.state.load(Relaxed)),
            ready_at: some(&header.ready_at).map(|at| at.min(taken_at)),
            has_stack_handler: is_written && flags & STACK_HANDLER != 0,
            has_requests: is_written && flags & REQUESTS != 0,
            has_tasks: is_written && flags & TASKS != 0,
            untracked: header.untracked.load(Relaxed),
            threads,
            ended,
            slots,
        };
        snapshot.keep_to_the_past();
        snapshot
    }

    /// The stack that the thread at `index` wrote last; `None` if there is no such place.
    #[must_use]
    pub fn stack(&self, index: usize) -> Option<StackView> {
        let stack = self.board.stacks.get(index)?;
        let sequence = stack.sequence.load(Acquire);
        let count = usize::try_from(stack.count.load(Relaxed)).unwrap_or(FRAMES);
        let addresses = stack.addresses.iter().take(count);
        Some(StackView {
            sequence,
            addresses: addresses.map(|it| it.load(Relaxed)).collect(),
            omitted: stack.omitted.load(Relaxed),
        })
    }

    fn threads(&self) -> Vec<ThreadView> {
        let used = bounded(self.board.header.threads.load(Relaxed), THREADS);
        let threads = self.board.threads.iter().take(used).enumerate();
        threads.filter_map(|(at, it)| thread(at, it)).collect()
    }

    fn slots(&self) -> Vec<SlotView> {
        let used = bounded(self.board.header.slots.load(Relaxed), SLOTS);
        let slots = self.board.slots.iter().take(used).enumerate();
        slots.filter_map(|(at, it)| slot(at, it)).collect()
    }
}

impl Snapshot {
    fn keep_to_the_past(&mut self) {
        let taken_at = self.taken_at;
        for thread in &mut self.threads {
            thread.heartbeat = thread.heartbeat.min(taken_at);
            thread.poll_since = thread.poll_since.map(|at| at.min(taken_at));
        }
        for slot in &mut self.slots {
            slot.started = slot.started.min(taken_at);
        }
    }
}

fn thread(index: usize, thread: &Thread) -> Option<ThreadView> {
    let tid = i32::try_from(thread.tid.load(Relaxed)).ok()?;
    let polled = usize::try_from(thread.polled.load(Relaxed)).ok();
    let polled = polled
        .and_then(|polled| polled.checked_sub(1))
        .filter(|polled| *polled < SLOTS);
    Some(ThreadView {
        index,
        tid,
        heartbeat: thread.heartbeat.load(Relaxed),
        loop_busy: thread.loop_busy.load(Relaxed),
        connections: thread.connections.load(Relaxed),
        in_flight: thread.in_flight.load(Relaxed),
        requests: thread.requests.load(Relaxed),
        answers: copy(&thread.answers),
        soft_timeouts: thread.soft_timeouts.load(Relaxed),
        panics: thread.panics.load(Relaxed),
        handling: thread.handling.load(Relaxed),
        refused: Refused {
            queue_time: thread.refused_queue_time.load(Relaxed),
            client_gone: thread.refused_client_gone.load(Relaxed),
            concurrency: thread.refused_concurrency.load(Relaxed),
        },
        queue_times: QueueTimes {
            counts: copy(&thread.queue_times),
            sum: thread.queue_time_sum.load(Relaxed),
        },
        polled,
        poll_since: polled.and_then(|_| some(&thread.poll_since)),
    })
}

/// Reads a slot as a whole: what was begun there in the meantime is not mixed into it.
fn slot(index: usize, slot: &Slot) -> Option<SlotView> {
    for _ in 0..TRIES {
        let before = slot.sequence.load(Acquire);
        let kind = Kind::of(slot.kind.load(Relaxed))?;
        if before % 2 == 1 {
            std::hint::spin_loop();
            continue;
        }
        let view = SlotView {
            index,
            kind,
            thread: usize::try_from(slot.thread.load(Relaxed))
                .ok()
                .filter(|thread| *thread < THREADS),
            started: slot.started.load(Relaxed),
            soft_deadline: some(&slot.soft_deadline),
            hard_deadline: some(&slot.hard_deadline),
            label: text::read(&slot.label),
            id: text::read(&slot.id),
            trace_id: text::read(&slot.trace),
        };
        fence(Acquire);
        if slot.sequence.load(Relaxed) == before {
            return Some(view);
        }
    }
    None
}

fn some(time: &AtomicU64) -> Option<u64> {
    Some(time.load(Relaxed)).filter(|time| *time != 0)
}

fn copy<const N: usize>(from: &[AtomicU64; N]) -> [u64; N] {
    std::array::from_fn(|at| from[at].load(Relaxed))
}

fn bounded(count: u32, most: usize) -> usize {
    usize::try_from(count).map_or(most, |count| count.min(most))
}
