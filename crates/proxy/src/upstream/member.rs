//! A target as all threads know it: what it is doing and how it is.

use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};

use tokio_util::sync::CancellationToken;

use super::clock;
use super::passive::Fails;
use super::target::Spec;

/// What the health check says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Health {
    /// Nobody has asked yet; it is used.
    Unknown = 0,
    /// It is well.
    Up = 1,
    /// It gets no requests.
    Down = 2,
}

static NEXT_ID: AtomicU64 = AtomicU64::new(1);

/// A target.
#[derive(Debug)]
pub struct Member {
    /// Never used twice in a process: connections are kept by it.
    pub(super) id: u64,
    /// What is fixed about it.
    pub spec: Spec,
    pub(super) fails: Fails,
    in_flight: AtomicUsize,
    tunnels: AtomicUsize,
    leave: CancellationToken,
    requests: AtomicU64,
    failures: AtomicU64,
    health: AtomicU8,
    draining: AtomicBool,
    up_since: AtomicU64,
    tag: OnceLock<String>,
}

impl Member {
    pub(super) fn new(spec: Spec) -> Arc<Self> {
        Arc::new(Self {
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            spec,
            fails: Fails::default(),
            in_flight: AtomicUsize::new(0),
            tunnels: AtomicUsize::new(0),
            leave: CancellationToken::new(),
            requests: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            health: AtomicU8::new(0),
            draining: AtomicBool::new(false),
            up_since: AtomicU64::new(0),
            tag: OnceLock::new(),
        })
    }

    /// A request takes a place here; false if there is none.
    pub(super) fn take(&self) -> bool {
        if self.spec.most == 0 {
            self.in_flight.fetch_add(1, Ordering::SeqCst);
        } else {
            let more = |count: usize| (count < self.spec.most).then_some(count + 1);
            let taken = self
                .in_flight
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, more);
            if taken.is_err() {
                return false;
            }
        }
        self.requests.fetch_add(1, Ordering::Relaxed);
        true
    }

    pub(super) fn give_back(&self) {
        self.in_flight.fetch_sub(1, Ordering::SeqCst);
    }

    pub(super) fn note_failure(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
    }

    /// May be asked at all: the health check and the operator say so.
    pub(super) fn is_wanted(&self) -> bool {
        !self.draining.load(Ordering::Relaxed) && self.health() != Health::Down
    }

    /// Gets requests like any other.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.is_wanted() && !self.fails.is_marked()
    }

    /// As `ctl status` and the metrics name its state.
    #[must_use]
    pub fn state_name(&self) -> &'static str {
        match self.health() {
            _ if self.is_draining() => "draining",
            Health::Down => "down",
            _ if self.fails.is_marked() => "failing",
            Health::Up => "up",
            Health::Unknown => "unknown",
        }
    }

    pub(super) fn has_room(&self) -> bool {
        self.spec.most == 0 || self.in_flight() < self.spec.most
    }

    /// Requests under way.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Open WebSockets.
    #[must_use]
    pub fn tunnels(&self) -> usize {
        self.tunnels.load(Ordering::Relaxed)
    }

    /// Tells its WebSockets to leave, one after the other.
    pub(super) fn dismiss(&self) {
        self.leave.cancel();
    }

    /// Requests sent here so far.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// Those that it did not answer.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    /// What the health check says.
    #[must_use]
    pub fn health(&self) -> Health {
        match self.health.load(Ordering::Relaxed) {
            1 => Health::Up,
            2 => Health::Down,
            _ => Health::Unknown,
        }
    }

    /// Sets what the health check says; true if it said otherwise before.
    pub(super) fn set_health(&self, health: Health) -> bool {
        let before = self.health.swap(health as u8, Ordering::Relaxed);
        if health == Health::Up && before == Health::Down as u8 {
            self.begin_slowly();
        }
        before != health as u8
    }

    /// From now on it counts as just come up.
    pub(super) fn begin_slowly(&self) {
        self.up_since.store(clock::now(), Ordering::Relaxed);
    }

    /// Takes it out of use, or back in.
    pub fn set_draining(&self, draining: bool) {
        if self.draining.swap(draining, Ordering::Relaxed) && !draining {
            self.begin_slowly();
        }
    }

    /// The operator took it out of use.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Its share of the requests, in hundredths of a weight: less within `slow` milliseconds after it
    /// came up.
    pub(super) fn share(&self, slow: u64) -> u64 {
        let whole = u64::from(self.spec.weight) * 100;
        let since = self.up_since.load(Ordering::Relaxed);
        if slow == 0 || since == 0 {
            return whole;
        }
        let age = clock::now().saturating_sub(since);
        if age >= slow {
            return whole;
        }
        (whole * age / slow).max(1)
    }

    /// What the sticky cookie calls it.
    pub(super) fn tag(&self) -> &str {
        self.tag
            .get_or_init(|| super::sticky::tag(&self.spec.target.to_string()))
    }
}

/// A WebSocket's tie to its target.
#[derive(Debug)]
pub struct Mooring(Arc<Member>);

impl Mooring {
    pub(super) fn new(member: &Arc<Member>) -> Self {
        member.tunnels.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(member))
    }

    /// Cancelled when the WebSockets of this target are to leave.
    #[must_use]
    pub fn leave(&self) -> &CancellationToken {
        &self.0.leave
    }
}

impl Drop for Mooring {
    fn drop(&mut self) {
        self.0.tunnels.fetch_sub(1, Ordering::Relaxed);
    }
}
