//! Time limits of visitors' connections: each one keeps stamps of its last progress, one sweeper a
//! thread compares them with the limits. No timer is set or reset while requests flow.
//!
//! Covered here: head, idle connection, visitor who does not read. Bodies have their own
//! ([`crate::body::Inbound`]), because only there it is known who waits for whom.

mod sweeper;

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::Notify;

pub use sweeper::Sweeper;

use crate::plan::Limits;

/// What the sweeper found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The head took too long.
    Late,
    /// Nothing was asked for too long.
    Idle,
    /// The visitor does not read.
    Stalled,
}

/// Stamps of one connection, in milliseconds; 0 means that there is nothing to wait for.
#[derive(Debug)]
pub struct Pulse {
    in_flight: AtomicU32,
    head_since: AtomicU64,
    idle_since: AtomicU64,
    blocked_since: AtomicU64,
    shut_since: AtomicU64,
    verdict: Mutex<Option<Verdict>>,
    found: Notify,
}

impl Pulse {
    /// A connection that was just accepted: its first head is awaited.
    #[must_use]
    pub fn new() -> Self {
        let now = now();
        Self {
            in_flight: AtomicU32::new(0),
            head_since: AtomicU64::new(now),
            idle_since: AtomicU64::new(now),
            blocked_since: AtomicU64::new(0),
            shut_since: AtomicU64::new(0),
            verdict: Mutex::new(None),
            found: Notify::new(),
        }
    }

    /// The first byte of a head is here.
    pub fn head_begins(&self) {
        if self.head_since.load(Ordering::Relaxed) == 0 {
            self.head_since.store(now(), Ordering::Relaxed);
        }
    }

    /// The head is whole, or nobody waits for one.
    pub fn head_ends(&self) {
        self.head_since.store(0, Ordering::Relaxed);
    }

    /// A request is at work.
    pub fn request_begins(&self) {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
    }

    /// Its answer is complete.
    pub fn request_ends(&self) {
        let now = now();
        self.idle_since.store(now, Ordering::Relaxed);
        if self.head_since.load(Ordering::Relaxed) != 0 {
            // A pipelined head that began while we were at work: its time begins now.
            self.head_since.store(now, Ordering::Relaxed);
        }
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }

    /// Notes whether a write moved or is blocked.
    pub fn writes<T>(&self, outcome: Poll<T>) -> Poll<T> {
        if outcome.is_ready() {
            if self.blocked_since.load(Ordering::Relaxed) != 0 {
                self.blocked_since.store(0, Ordering::Relaxed);
            }
        } else if self.blocked_since.load(Ordering::Relaxed) == 0 {
            self.blocked_since.store(now(), Ordering::Relaxed);
        }
        outcome
    }

    /// HTTP/2: since when (by [`now`]) the visitor keeps a window shut, if one is.
    pub fn window_is_shut(&self, since: Option<u64>) {
        self.shut_since.store(since.unwrap_or(0), Ordering::Relaxed);
    }

    /// Resolves when the sweeper has found something.
    pub async fn verdict(&self) -> Verdict {
        loop {
            if let Some(verdict) = self.verdict.lock().take() {
                return verdict;
            }
            self.found.notified().await;
        }
    }

    fn judge(&self, limits: &Limits) {
        let Some(verdict) = self.overdue(limits, now()) else {
            return;
        };
        *self.verdict.lock() = Some(verdict);
        self.found.notify_one();
    }

    fn overdue(&self, limits: &Limits, now: u64) -> Option<Verdict> {
        let passed = |stamp: &AtomicU64, limit: Duration| {
            let since = stamp.load(Ordering::Relaxed);
            since != 0 && u128::from(now.saturating_sub(since)) > limit.as_millis()
        };
        if passed(&self.blocked_since, limits.write_pause)
            || passed(&self.shut_since, limits.write_pause)
        {
            return Some(Verdict::Stalled);
        }
        if self.in_flight.load(Ordering::Relaxed) > 0 {
            return None;
        }
        if self.head_since.load(Ordering::Relaxed) != 0 {
            return passed(&self.head_since, limits.head).then_some(Verdict::Late);
        }
        passed(&self.idle_since, limits.keep_alive).then_some(Verdict::Idle)
    }
}

impl Default for Pulse {
    fn default() -> Self {
        Self::new()
    }
}

/// Milliseconds since the first call in this process, never 0.
pub(crate) fn now() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    let start = START.get_or_init(Instant::now);
    u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX - 1) + 1
}

#[cfg(test)]
mod tests;
