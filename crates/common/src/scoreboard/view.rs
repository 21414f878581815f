//! What a snapshot consists of: plain values, each bounded whatever the board holds.

use serde::{Deserialize, Serialize};

/// What a process says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Not ready yet.
    Starting,
    /// Takes work.
    Ready,
    /// Takes no more work and leaves when it has finished.
    Draining,
    /// Takes no work until it is resumed.
    Paused,
    /// The board holds something else.
    Unknown,
}

impl State {
    pub(super) fn code(self) -> u32 {
        match self {
            Self::Starting => 0,
            Self::Ready => 1,
            Self::Draining => 2,
            Self::Paused => 3,
            Self::Unknown => u32::MAX,
        }
    }

    pub(super) fn of(code: u32) -> Self {
        [Self::Starting, Self::Ready, Self::Draining, Self::Paused]
            .into_iter()
            .find(|state| state.code() == code)
            .unwrap_or(Self::Unknown)
    }
}

/// What a slot holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// An HTTP request, from its head to the last byte of its answer.
    Request,
    /// A WebSocket.
    Websocket,
    /// An answer without an end, such as an event stream.
    Stream,
    /// A background task.
    Task,
}

impl Kind {
    /// Never 0, which is a free slot.
    pub(super) fn code(self) -> u32 {
        match self {
            Self::Request => 1,
            Self::Websocket => 2,
            Self::Stream => 3,
            Self::Task => 4,
        }
    }

    pub(super) fn of(code: u32) -> Option<Self> {
        [Self::Request, Self::Websocket, Self::Stream, Self::Task]
            .into_iter()
            .find(|kind| kind.code() == code)
    }

    /// True for what may last as long as its peer likes.
    #[must_use]
    pub fn is_endless(self) -> bool {
        matches!(self, Self::Websocket | Self::Stream)
    }
}

/// A request or task that was running.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SlotView {
    /// Its place on the board, below [`SLOTS`](super::SLOTS).
    pub index: usize,
    /// What it is.
    pub kind: Kind,
    /// Place of the thread that began it, below [`THREADS`](super::THREADS).
    pub thread: Option<usize>,
    /// When it began; never after the snapshot.
    pub started: u64,
    /// When the process itself gives it up.
    pub soft_deadline: Option<u64>,
    /// When the supervisor may end the process for it.
    pub hard_deadline: Option<u64>,
    /// Method and path, or the task's name; at most 120 bytes on the board, printable.
    pub label: String,
    /// Request or task id; at most 40 bytes on the board, printable.
    pub id: String,
    /// W3C trace id in hexadecimal digits, or empty; printable.
    pub trace_id: String,
}

/// A thread that serves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ThreadView {
    /// Its place on the board, below [`THREADS`](super::THREADS).
    pub index: usize,
    /// The kernel's number of it, as the process says.
    pub tid: i32,
    /// Last sign of its event loop; never after the snapshot, 0 if there was none.
    pub heartbeat: u64,
    /// Nanoseconds that its event loop was not waiting.
    pub loop_busy: u64,
    /// Open connections.
    pub connections: u32,
    /// Requests whose answers are not complete.
    pub in_flight: u32,
    /// Requests begun, or tasks.
    pub requests: u64,
    /// Answers by class, 1xx to 5xx. Tasks: succeeded is 2xx, to be tried again 3xx, failed 5xx.
    pub answers: [u64; 5],
    /// Handlers given up at their soft deadline.
    pub soft_timeouts: u64,
    /// Handlers that panicked.
    pub panics: u64,
    /// Nanoseconds from begin to end, over all that ended.
    pub handling: u64,
    /// Requests that were not begun.
    pub refused: Refused,
    /// How long requests waited before they were begun.
    pub queue_times: QueueTimes,
    /// The slot whose future is being polled now.
    pub polled: Option<usize>,
    /// Since when; `None` if nothing is polled. Up to some milliseconds off; never after the snapshot.
    pub poll_since: Option<u64>,
}

impl ThreadView {
    /// Nanoseconds without a heartbeat, seen from `now`; 0 before the first one.
    #[must_use]
    pub fn silence(&self, now: u64) -> u64 {
        match self.heartbeat {
            0 => 0,
            at => now.saturating_sub(at),
        }
    }
}

impl SlotView {
    /// Nanoseconds since it began, seen from `now`.
    #[must_use]
    pub fn age(&self, now: u64) -> u64 {
        now.saturating_sub(self.started)
    }

    /// True if its hard deadline has passed at `now`.
    #[must_use]
    pub fn is_overdue(&self, now: u64) -> bool {
        self.hard_deadline.is_some_and(|at| at <= now)
    }
}

/// Requests that were answered without a handler.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Refused {
    /// They had waited too long.
    pub queue_time: u64,
    /// Nobody waited for the answer any more.
    pub client_gone: u64,
    /// Too many were in flight.
    pub concurrency: u64,
}

/// How long requests waited.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct QueueTimes {
    /// Requests by class; the bounds are [`QUEUE_TIME_BOUNDS`](super::QUEUE_TIME_BOUNDS).
    pub counts: [u64; super::QUEUE_TIME_BOUNDS.len() + 1],
    /// Sum of the waits, in nanoseconds.
    pub sum: u64,
}

/// The stack of a thread.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct StackView {
    /// Raised by one whenever the thread has written its stack.
    pub sequence: u64,
    /// Addresses inside the calls, innermost first; at most [`FRAMES`](crate::kernel::stack::FRAMES). Calls
    /// further out than the poll of a request or task are left out.
    pub addresses: Vec<u64>,
    /// So many calls are missing after the first [`INNERMOST`](crate::kernel::stack::INNERMOST).
    pub omitted: u64,
}
