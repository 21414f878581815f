//! The limits of a child: when it is recycled and when it is ended.

use std::time::{Duration, Instant};

use crate::proc::rollup::Rollup;
use crate::roster::{Cause, Phase};
use crate::settings::PoolSettings;
use crate::view::ChildView;

/// The limits of every child of a pool.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    max_requests: Option<u64>,
    max_lifetime: Option<Duration>,
    min_lifetime: Duration,
    jitter: u8,
    rss_soft: Option<u64>,
    pss_soft: Option<u64>,
    uss_soft: Option<u64>,
    vsz_soft: Option<u64>,
    max_panics: Option<u64>,
    rss_hard: Option<u64>,
    files: Option<u64>,
    cpu_time: Option<Duration>,
    /// So long a child that is to be killed may finish what runs on its other threads.
    pub(crate) hard_grace: Duration,
    /// One with a stuck thread is ended only while so many connections wait.
    pub(crate) stuck_backlog: u32,
}

/// What one child is measured by.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Usage {
    pub(crate) requests: u64,
    pub(crate) panics: u64,
    pub(crate) resident: u64,
    /// Address space, bytes.
    pub(crate) virtual_size: u64,
    pub(crate) memory: Option<Rollup>,
    pub(crate) files: Option<u64>,
    pub(crate) cpu: Duration,
}

/// The limits of one child, drawn when it was started so that not all are recycled at once.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Drawn {
    pub(crate) max_requests: Option<u64>,
    pub(crate) max_lifetime: Option<Duration>,
}

impl From<&PoolSettings> for Limits {
    fn from(settings: &PoolSettings) -> Self {
        Self {
            max_requests: settings.max_requests,
            max_lifetime: settings.max_lifetime.map(|it| it.duration()),
            min_lifetime: settings.min_lifetime.duration(),
            jitter: settings.jitter,
            rss_soft: settings.rss_soft.map(|it| it.0),
            pss_soft: settings.pss_soft.map(|it| it.0),
            uss_soft: settings.uss_soft.map(|it| it.0),
            vsz_soft: settings.vsz_soft.map(|it| it.0),
            max_panics: settings.max_panics,
            rss_hard: settings.rss_hard.map(|it| it.0),
            files: settings.files,
            cpu_time: settings.cpu_time.map(|it| it.duration()),
            hard_grace: settings.hard_grace.duration(),
            stuck_backlog: settings.stuck_backlog,
        }
    }
}

impl Limits {
    /// The limits of one child: up to `jitter` percent above what is written. `chance` is 0 to 1.
    pub(crate) fn draw(&self, chance: f64) -> Drawn {
        let factor = 1.0 + f64::from(self.jitter) / 100.0 * chance.clamp(0.0, 1.0);
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a limit that is off by a rounding error is as good"
        )]
        Drawn {
            max_requests: self.max_requests.map(|it| (it as f64 * factor) as u64),
            max_lifetime: self.max_lifetime.map(|it| it.mul_f64(factor)),
        }
    }

    /// The hard limit on memory; also what `ctl top` draws memory against.
    pub(crate) fn memory(&self) -> Option<u64> {
        self.rss_hard.or(self.rss_soft)
    }

    /// Why the child must be ended, if it must.
    pub(crate) fn must_end(&self, usage: &Usage) -> Option<Cause> {
        let beyond = self.rss_hard.is_some_and(|limit| usage.resident > limit);
        beyond.then_some(Cause::RssHard)
    }

    /// Why a child that serves should be recycled, if it should.
    pub(crate) fn should_go(
        &self,
        child: &ChildView,
        drawn: &Drawn,
        usage: &Usage,
        now: Instant,
    ) -> Option<Cause> {
        if !matches!(child.phase, Phase::Ready { .. }) {
            return None;
        }
        let age = now.saturating_duration_since(child.started);
        if age < self.min_lifetime {
            return None;
        }
        let above = |limit: Option<u64>, used: u64| limit.is_some_and(|limit| used > limit);
        let memory = usage.memory.unwrap_or_default();
        let checks = [
            (Cause::RssSoft, above(self.rss_soft, usage.resident)),
            (Cause::PssSoft, above(self.pss_soft, memory.pss)),
            (Cause::UssSoft, above(self.uss_soft, memory.uss)),
            (Cause::VszSoft, above(self.vsz_soft, usage.virtual_size)),
            (
                Cause::MaxPanics,
                self.max_panics.is_some_and(|limit| usage.panics >= limit),
            ),
            (
                Cause::MaxRequests,
                drawn
                    .max_requests
                    .is_some_and(|limit| usage.requests >= limit),
            ),
            (
                Cause::Lifetime,
                drawn.max_lifetime.is_some_and(|limit| age >= limit),
            ),
            (
                Cause::Files,
                self.files
                    .is_some_and(|limit| usage.files.is_some_and(|files| files > limit)),
            ),
            (
                Cause::CpuTime,
                self.cpu_time.is_some_and(|limit| usage.cpu > limit),
            ),
        ];
        checks
            .into_iter()
            .find_map(|(cause, beyond)| beyond.then_some(cause))
    }
}

#[cfg(test)]
mod tests;
