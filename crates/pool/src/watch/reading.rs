//! A pool as it was at one tick: what the statistics, the metrics, `ctl` and `top` are made of.

use std::sync::Arc;
use std::time::{Duration, Instant};

use kiuas_common::scoreboard::Snapshot;

use super::limits::Drawn;
use super::tally::Tally;
use super::verdict::Verdict;
use crate::proc::rollup::Rollup;
use crate::queue::Depth;
use crate::view::{ChildView, PoolView};

/// A pool at one tick.
#[derive(Debug, Clone)]
pub(crate) struct Reading {
    /// When.
    pub(crate) at: Instant,
    /// What the supervisor said.
    pub(crate) view: Arc<PoolView>,
    /// Every child that lives, as in `view`.
    pub(crate) children: Vec<ChildReading>,
    /// The listening sockets, in the order of their descriptors.
    pub(crate) queues: Vec<QueueReading>,
    /// Everything that all children, the ended ones too, have counted.
    pub(crate) tally: Arc<Tally>,
    /// Requests and tasks a second, all children together, over the last second or so.
    pub(crate) rate: f64,
    /// Average busy share of the event loops of the ready children, 0 to 1.
    pub(crate) busy: f64,
}

/// A child at one tick.
#[derive(Debug, Clone)]
pub(crate) struct ChildReading {
    /// What the supervisor said.
    pub(crate) child: ChildView,
    /// What it says of itself.
    pub(crate) snapshot: Snapshot,
    /// Resident memory, bytes.
    pub(crate) resident: u64,
    /// What is read once a second.
    pub(crate) slow: Slow,
    /// Its limits.
    pub(crate) limits: Drawn,
    /// What a thread of it hangs on beyond a hard deadline.
    pub(crate) stuck: Option<Verdict>,
}

/// What takes longer to read or needs a span of time.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Slow {
    /// Virtual memory, bytes.
    pub(crate) virtual_size: u64,
    /// Memory with shared parts; read more seldom than the rest.
    pub(crate) memory: Option<Rollup>,
    /// Processor time so far.
    pub(crate) cpu: Duration,
    /// Resident memory of the processes that a program without a scoreboard has started, bytes.
    pub(crate) family: u64,
    /// Open descriptors.
    pub(crate) files: Option<u64>,
    /// Busy share of its event loops, 0 to 1.
    pub(crate) busy: f64,
    /// Share of one processor that it used.
    pub(crate) cpu_share: f64,
    /// Requests or tasks a second.
    pub(crate) rate: f64,
    /// Average time of those that ended in the span.
    pub(crate) latency: Option<Duration>,
}

/// A listening socket at one tick.
#[derive(Debug, Clone)]
pub(crate) struct QueueReading {
    /// Its name.
    pub(crate) name: String,
    /// Where it listens; empty if it does not say.
    pub(crate) address: String,
    /// Its accept queue; `None` where the kernel does not say.
    pub(crate) depth: Option<Depth>,
    /// The longest it was seen.
    pub(crate) highest: u32,
    /// How often it was seen full.
    pub(crate) full: u64,
}

impl QueueReading {
    /// Four of five places are taken.
    pub(crate) fn is_nearly_full(&self) -> bool {
        self.depth.is_some_and(|depth| {
            depth.limit > 0 && u64::from(depth.waiting) * 5 >= u64::from(depth.limit) * 4
        })
    }
}

impl ChildReading {
    /// Its process.
    pub(crate) fn pid(&self) -> i32 {
        self.child.pid.as_raw_nonzero().get()
    }

    /// How long the thread that has been silent for longest has been.
    pub(crate) fn silence(&self) -> Duration {
        let now = self.snapshot.taken_at;
        let longest = self
            .snapshot
            .threads
            .iter()
            .map(|thread| thread.silence(now))
            .max();
        Duration::from_nanos(longest.unwrap_or(0))
    }
}

impl Reading {
    /// Connections that wait, on all sockets.
    pub(crate) fn backlog(&self) -> u32 {
        backlog(&self.queues)
    }
}

/// Connections that wait, on all sockets.
pub(crate) fn backlog(queues: &[QueueReading]) -> u32 {
    let waiting = queues.iter().filter_map(|queue| queue.depth);
    waiting.fold(0, |sum, depth| sum.saturating_add(depth.waiting))
}
