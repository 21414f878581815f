//! How long to wait before a child that died young is started again.

use std::time::{Duration, Instant};

use super::{Child, Phase};

/// A child that was ready for so long did not die young: its successor starts at once.
const SETTLED: Duration = Duration::from_secs(5);

/// Bounds of the pause.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BackoffPolicy {
    pub(crate) shortest: Duration,
    pub(crate) longest: Duration,
}

impl BackoffPolicy {
    /// The pause after so many failures in a row: doubling from the shortest to the longest. `share`
    /// (0 to 1) takes up to a quarter off it, so that seats which failed together do not all start
    /// together.
    pub(crate) fn pause(&self, failures: u32, share: f64) -> Duration {
        let doublings = failures.saturating_sub(1).min(30);
        let full = self
            .shortest
            .saturating_mul(1 << doublings)
            .min(self.longest);
        full.mul_f64(1.0 - share.clamp(0.0, 1.0) / 4.0)
    }
}

/// The state of one seat: failures in a row, and when the next start is allowed.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Backoff {
    pub(crate) failures: u32,
    pub(crate) not_before: Option<Instant>,
}

impl Backoff {
    pub(crate) fn fail(&mut self, policy: &BackoffPolicy, now: Instant) -> Duration {
        self.failures = self.failures.saturating_add(1);
        let pause = policy.pause(self.failures, rand::random_range(0.0..1.0));
        self.not_before = Some(now + pause);
        pause
    }

    /// `child` has left its seat: how soon may its successor start?
    pub(crate) fn vacated(&mut self, child: &Child, policy: &BackoffPolicy, now: Instant) {
        match child.phase {
            Phase::Ready { since } if now - since >= SETTLED => self.reset(),
            _ => drop(self.fail(policy, now)),
        }
    }

    pub(crate) fn reset(&mut self) {
        *self = Self::default();
    }

    pub(crate) fn allows(&self, now: Instant) -> bool {
        self.not_before.is_none_or(|instant| instant <= now)
    }
}
