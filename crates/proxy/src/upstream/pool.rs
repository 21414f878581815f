//! A thread's idle connections to one target, the most recently used first: those are warm in every
//! cache, and the others grow old and are closed.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::time::Duration;

use super::client::Wire;
use super::h2c::Shared;
use crate::clock;

#[derive(Debug)]
struct Idle {
    wire: Wire,
    /// By [`clock::milliseconds`].
    since: u64,
}

/// Bounds of a pool.
#[derive(Debug, Clone, Copy)]
pub(super) struct PoolLimits {
    /// Idle for longer than this, a connection is closed.
    pub(super) idle: Duration,
    /// Older than this, it is not used again.
    pub(super) age: Duration,
    /// Idle connections.
    pub(super) most: usize,
}

/// Idle connections.
#[derive(Debug)]
pub(super) struct Pool {
    idle: RefCell<VecDeque<Idle>>,
    limits: PoolLimits,
    multiplexed: Shared,
}

impl Pool {
    pub(super) fn new(limits: PoolLimits) -> Self {
        Self {
            idle: RefCell::new(VecDeque::new()),
            limits,
            multiplexed: Shared::default(),
        }
    }

    /// A connection that is alive as far as can be known without asking the peer; `certain` spends a
    /// system call to know what the poller may not have seen yet.
    pub(super) fn take(&self, certain: bool) -> Option<Wire> {
        let now = clock::milliseconds();
        let mut idle = self.idle.borrow_mut();
        loop {
            let Idle { wire, since } = idle.pop_back()?;
            if passed(since, now) < self.limits.idle && wire.is_quiet(certain) {
                return Some(wire);
            }
        }
    }

    /// Keeps `wire` for the next request, unless it is broken, old or one too many.
    pub(super) fn give_back(&self, wire: Wire) {
        let now = clock::milliseconds();
        let old = passed(wire.made(), now) >= self.limits.age;
        let mut idle = self.idle.borrow_mut();
        if !old && idle.len() < self.limits.most && wire.is_quiet(false) {
            idle.push_back(Idle { wire, since: now });
        }
    }

    /// The one connection, if the target speaks HTTP/2.
    pub(super) fn multiplexed(&self) -> &Shared {
        &self.multiplexed
    }

    /// Closes what was idle for too long, and what the application has closed.
    pub(super) fn sweep(&self) {
        let now = clock::milliseconds();
        self.idle
            .borrow_mut()
            .retain(|one| passed(one.since, now) < self.limits.idle && one.wire.is_quiet(false));
    }
}

fn passed(since: u64, now: u64) -> Duration {
    Duration::from_millis(now.saturating_sub(since))
}
