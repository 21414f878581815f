//! The circuit breaker: while most requests fail, sending more helps nobody. Closed → open (everybody
//! is turned away) → half open (some try) → closed, or open again.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use super::clock;
use crate::settings::BreakerSettings;

/// When it opens and closes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rule {
    errors: u64,
    requests: u64,
    half_window: u64,
    open: u64,
    trials: u32,
}

impl From<&BreakerSettings> for Rule {
    fn from(settings: &BreakerSettings) -> Self {
        Self {
            errors: settings.errors.into(),
            requests: settings.requests.into(),
            half_window: (clock::millis(settings.window.duration()) / 2).max(1),
            open: clock::millis(settings.open.duration()),
            trials: settings.trials,
        }
    }
}

/// What it is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreakerState {
    /// Requests pass.
    Closed,
    /// They do not, for so many more milliseconds.
    Open(u64),
    /// Some pass.
    HalfOpen,
}

/// How a request was let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pass {
    /// Like any other.
    Plain,
    /// As one that tries; [`Breaker::give_up`] if nothing comes of it.
    Trial,
}

/// The state that threads share. Two halves of a window are counted; a count that is off by one while
/// they change over does no harm.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    half: AtomicU64,
    now: Counts,
    before: Counts,
    /// 0 while closed.
    open_until: AtomicU64,
    trying: AtomicU32,
    passed: AtomicU32,
}

#[derive(Debug, Default)]
struct Counts {
    all: AtomicU64,
    bad: AtomicU64,
}

impl Counts {
    fn take(&self) -> (u64, u64) {
        (
            self.all.swap(0, Ordering::Relaxed),
            self.bad.swap(0, Ordering::Relaxed),
        )
    }

    fn set(&self, (all, bad): (u64, u64)) {
        self.all.store(all, Ordering::Relaxed);
        self.bad.store(bad, Ordering::Relaxed);
    }
}

impl Breaker {
    pub(super) fn state(&self) -> BreakerState {
        match self.open_until.load(Ordering::Acquire) {
            0 => BreakerState::Closed,
            until => match until.saturating_sub(clock::now()) {
                0 => BreakerState::HalfOpen,
                left => BreakerState::Open(left),
            },
        }
    }

    /// May a request pass? If not, after how many milliseconds.
    pub(super) fn pass(&self, rule: Rule) -> Result<Pass, u64> {
        match self.state() {
            BreakerState::Closed => Ok(Pass::Plain),
            BreakerState::Open(left) => Err(left),
            BreakerState::HalfOpen => {
                if self.trying.fetch_add(1, Ordering::AcqRel) < rule.trials {
                    Ok(Pass::Trial)
                } else {
                    self.give_up();
                    Err(1000)
                }
            }
        }
    }

    /// One that tried came to no outcome.
    pub(super) fn give_up(&self) {
        // Closing sets it to 0 while others are still out.
        let less = |trying: u32| Some(trying.saturating_sub(1));
        self.trying
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, less)
            .unwrap_or(0);
    }

    /// What became of a request. True if it opened by it.
    pub(super) fn tell(&self, rule: Rule, pass: Pass, good: bool) -> bool {
        match (pass, good) {
            (Pass::Trial, true) => {
                if self.passed.fetch_add(1, Ordering::AcqRel) + 1 >= rule.trials {
                    self.close();
                } else {
                    self.give_up();
                }
                false
            }
            (Pass::Trial, false) => {
                self.open(rule);
                false
            }
            (Pass::Plain, good) => self.count(rule, good),
        }
    }

    fn count(&self, rule: Rule, good: bool) -> bool {
        self.roll(rule);
        self.now.all.fetch_add(1, Ordering::Relaxed);
        if good {
            return false;
        }
        self.now.bad.fetch_add(1, Ordering::Relaxed);
        let sum = |one: &AtomicU64, other: &AtomicU64| {
            one.load(Ordering::Relaxed) + other.load(Ordering::Relaxed)
        };
        let all = sum(&self.now.all, &self.before.all);
        let bad = sum(&self.now.bad, &self.before.bad);
        let opens = all >= rule.requests && bad * 100 >= all * rule.errors;
        opens && self.state() == BreakerState::Closed && {
            self.open(rule);
            true
        }
    }

    fn roll(&self, rule: Rule) {
        let half = clock::now() / rule.half_window;
        let last = self.half.load(Ordering::Relaxed);
        if half == last {
            return;
        }
        let won = self
            .half
            .compare_exchange(last, half, Ordering::Relaxed, Ordering::Relaxed);
        if won.is_ok() {
            let counts = self.now.take();
            self.before
                .set(if half == last + 1 { counts } else { (0, 0) });
        }
    }

    fn open(&self, rule: Rule) {
        self.reset();
        self.open_until
            .store(clock::now() + rule.open, Ordering::Release);
    }

    /// Lets everything pass again.
    pub(super) fn close(&self) {
        self.reset();
        self.open_until.store(0, Ordering::Release);
    }

    fn reset(&self) {
        self.now.set((0, 0));
        self.before.set((0, 0));
        self.trying.store(0, Ordering::Release);
        self.passed.store(0, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: Rule = Rule {
        errors: 50,
        requests: 4,
        half_window: 1_000_000,
        open: 60_000,
        trials: 2,
    };

    fn opened(rule: Rule) -> Breaker {
        let breaker = Breaker::default();
        for good in [true, true, false] {
            assert!(!breaker.tell(rule, Pass::Plain, good));
        }
        assert_eq!(breaker.pass(rule), Ok(Pass::Plain));
        assert!(breaker.tell(rule, Pass::Plain, false));
        breaker
    }

    #[test]
    fn it_opens_at_the_share_of_failures_and_not_before_enough_were_seen() {
        assert!(opened(RULE).pass(RULE).is_err());
    }

    #[test]
    fn after_its_time_as_many_try_as_may_and_their_success_closes_it() {
        let rule = Rule { open: 0, ..RULE };
        let breaker = opened(rule);
        assert_eq!(breaker.pass(rule), Ok(Pass::Trial));
        assert_eq!(breaker.pass(rule), Ok(Pass::Trial));
        assert!(breaker.pass(rule).is_err());
        breaker.give_up();
        assert_eq!(breaker.pass(rule), Ok(Pass::Trial));
        breaker.tell(rule, Pass::Trial, true);
        breaker.tell(rule, Pass::Trial, true);
        assert_eq!(breaker.state(), BreakerState::Closed);
    }

    #[test]
    fn one_failure_of_those_who_try_opens_it_again() {
        let breaker = opened(Rule { open: 0, ..RULE });
        assert_eq!(breaker.pass(RULE), Ok(Pass::Trial));
        breaker.tell(RULE, Pass::Trial, false);
        assert!(matches!(breaker.state(), BreakerState::Open(_)));
    }
}
