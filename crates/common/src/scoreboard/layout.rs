//! The bytes of a board. A change of anything here is a new [`VERSION`].

use std::sync::atomic::{AtomicU32, AtomicU64};

use crate::kernel::memory::{LARGEST, shared};
use crate::kernel::stack::FRAMES;

/// The most threads on a board; further ones serve without a place on it.
pub const THREADS: usize = 64;
/// The most requests or tasks on a board at once; further ones run without a place on it.
pub const SLOTS: usize = 1024;
/// Upper bounds of the classes of queue time, in milliseconds; the last class has none.
pub const QUEUE_TIME_BOUNDS: [u64; 15] = [
    1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 30_000, 60_000,
];

pub(super) const MAGIC: u64 = u64::from_le_bytes(*b"kiuas.sb");
pub(super) const VERSION: u32 = 2;

/// The stack handler is installed.
pub(super) const STACK_HANDLER: u32 = 1;
/// The slots hold requests.
pub(super) const REQUESTS: u32 = 1 << 1;
/// The slots hold tasks.
pub(super) const TASKS: u32 = 1 << 2;

/// Words of a label (120 bytes).
pub(super) const LABEL: usize = 15;
/// Words of an id (40 bytes).
pub(super) const ID: usize = 5;
/// Words of a trace id (32 bytes).
pub(super) const TRACE: usize = 4;

shared! {
    /// The whole board.
    #[derive(Debug)]
    pub(super) struct Board align 64 {
        pub(super) header: Header,
        pub(super) threads: [Thread; THREADS],
        pub(super) slots: [Slot; SLOTS],
        /// By place of the thread. Apart, because hardly ever one is written.
        pub(super) stacks: [Stack; THREADS],
    }

    /// The process.
    #[derive(Debug)]
    pub(super) struct Header align 64 {
        /// Written last: a board without it is one that nobody writes.
        pub(super) magic: AtomicU64,
        pub(super) version: AtomicU32,
        pub(super) pid: AtomicU32,
        pub(super) state: AtomicU32,
        pub(super) flags: AtomicU32,
        pub(super) ready_at: AtomicU64,
        /// Threads in use, the first of the array.
        pub(super) threads: AtomicU32,
        /// No slot from this one on was ever used.
        pub(super) slots: AtomicU32,
        /// Requests and tasks that found no free slot.
        pub(super) untracked: AtomicU64,
    }

    /// A thread. Only the thread itself writes here, so its counters need no locked instruction.
    #[derive(Debug)]
    pub(super) struct Thread align 64 {
        /// 0: the place is free, or its thread has ended.
        pub(super) tid: AtomicU32,
        /// The slot whose future is being polled now, plus 1.
        pub(super) polled: AtomicU32,
        pub(super) poll_since: AtomicU64,
        pub(super) heartbeat: AtomicU64,
        pub(super) loop_busy: AtomicU64,
        pub(super) connections: AtomicU32,
        pub(super) in_flight: AtomicU32,
        pub(super) requests: AtomicU64,
        pub(super) answers: [AtomicU64; 5],
        pub(super) soft_timeouts: AtomicU64,
        pub(super) panics: AtomicU64,
        pub(super) handling: AtomicU64,
        pub(super) refused_queue_time: AtomicU64,
        pub(super) refused_client_gone: AtomicU64,
        pub(super) refused_concurrency: AtomicU64,
        pub(super) queue_times: [AtomicU64; QUEUE_TIME_BOUNDS.len() + 1],
        pub(super) queue_time_sum: AtomicU64,
        /// Where on the thread's stack the poll began; 0 while nothing is polled.
        pub(super) mark: AtomicU64,
    }

    /// The last stack that a thread was asked for.
    #[derive(Debug)]
    pub(super) struct Stack align 64 {
        /// Raised after the addresses are complete.
        pub(super) sequence: AtomicU64,
        pub(super) count: AtomicU64,
        /// Calls that are left out after the first `INNERMOST`.
        pub(super) omitted: AtomicU64,
        pub(super) addresses: [AtomicU64; FRAMES],
    }

    /// A request or task.
    #[derive(Debug)]
    pub(super) struct Slot align 64 {
        /// Odd while the slot is being written.
        pub(super) sequence: AtomicU32,
        /// 0: free.
        pub(super) kind: AtomicU32,
        /// Index of the thread that began it.
        pub(super) thread: AtomicU32,
        pub(super) unused: AtomicU32,
        pub(super) started: AtomicU64,
        pub(super) soft_deadline: AtomicU64,
        pub(super) hard_deadline: AtomicU64,
        pub(super) label: [AtomicU64; LABEL],
        pub(super) id: [AtomicU64; ID],
        pub(super) trace: [AtomicU64; TRACE],
    }
}

const _: () = {
    assert!(size_of::<Header>() == 64);
    assert!(size_of::<Thread>() == 320);
    assert!(size_of::<Slot>() == 256);
    assert!(size_of::<Stack>() == 2112);
    assert!(size_of::<Board>() == 64 + THREADS * (320 + 2112) + SLOTS * 256);
    assert!(size_of::<Board>() <= LARGEST);
};
