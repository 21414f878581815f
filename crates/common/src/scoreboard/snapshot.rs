//! A board as it was at one moment.

use serde::Serialize;

use super::view::{Kind, QueueTimes, Refused, SlotView, State, ThreadView};

/// Everything that a board said, checked and copied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Snapshot {
    /// When it was taken; no time of the past in it is later.
    pub taken_at: u64,
    /// False until a process writes the board; everything else is empty then.
    pub is_written: bool,
    /// The process that writes, as it says.
    pub pid: u32,
    /// What it says of itself.
    pub state: State,
    /// When it became ready.
    pub ready_at: Option<u64>,
    /// True if its threads can be asked for their stacks.
    pub has_stack_handler: bool,
    /// True if its slots hold requests.
    pub has_requests: bool,
    /// True if its slots hold tasks.
    pub has_tasks: bool,
    /// Requests and tasks that found no free slot.
    pub untracked: u64,
    /// Its threads.
    pub threads: Vec<ThreadView>,
    /// Threads that have ended, for what they have counted.
    pub ended: Vec<ThreadView>,
    /// What runs.
    pub slots: Vec<SlotView>,
}

impl Snapshot {
    /// The thread at a place of the board.
    #[must_use]
    pub fn thread(&self, index: usize) -> Option<&ThreadView> {
        self.threads.iter().find(|thread| thread.index == index)
    }

    /// What runs at a place of the board.
    #[must_use]
    pub fn slot(&self, index: usize) -> Option<&SlotView> {
        self.slots.iter().find(|slot| slot.index == index)
    }

    /// Open connections of all threads.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.sum(|thread| u64::from(thread.connections))
    }

    /// Requests in flight of all threads, and tasks that run.
    #[must_use]
    pub fn in_flight(&self) -> u64 {
        // A task belongs to no thread, so no thread counts it.
        let tasks = self.slots.iter().filter(|slot| slot.kind == Kind::Task);
        let requests = self.sum(|thread| u64::from(thread.in_flight));
        requests.saturating_add(u64::try_from(tasks.count()).unwrap_or(u64::MAX))
    }

    /// Requests or tasks begun by all threads.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.sum(|thread| thread.requests)
    }

    /// Answers by class, of all threads.
    #[must_use]
    pub fn answers(&self) -> [u64; 5] {
        std::array::from_fn(|class| self.sum(|thread| thread.answers[class]))
    }

    /// Requests that no thread began.
    #[must_use]
    pub fn refused(&self) -> Refused {
        Refused {
            queue_time: self.sum(|thread| thread.refused.queue_time),
            client_gone: self.sum(|thread| thread.refused.client_gone),
            concurrency: self.sum(|thread| thread.refused.concurrency),
        }
    }

    /// How long requests waited, over all threads.
    #[must_use]
    pub fn queue_times(&self) -> QueueTimes {
        QueueTimes {
            counts: std::array::from_fn(|class| {
                self.sum(|thread| thread.queue_times.counts[class])
            }),
            sum: self.sum(|thread| thread.queue_times.sum),
        }
    }

    /// A sum over all threads, those that have ended too; it stays where it is when it would overflow.
    #[must_use]
    pub fn sum(&self, of: impl Fn(&ThreadView) -> u64) -> u64 {
        let all = self.threads.iter().chain(&self.ended);
        all.map(of).fold(0, u64::saturating_add)
    }
}
