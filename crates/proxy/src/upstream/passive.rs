//! What failed requests say about a target, after nginx's `max_fails` and `fail_timeout`.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use super::clock;
use crate::settings::PassiveSettings;

/// When a target gets no requests.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rule {
    most: u32,
    timeout: u64,
}

impl From<&PassiveSettings> for Rule {
    fn from(settings: &PassiveSettings) -> Self {
        Self {
            most: settings.max_fails,
            timeout: clock::millis(settings.fail_timeout.duration()),
        }
    }
}

/// A target's failures.
#[derive(Debug, Default)]
pub(super) struct Fails {
    count: AtomicU32,
    first: AtomicU64,
    last: AtomicU64,
    until: AtomicU64,
}

impl Fails {
    /// It gets no requests now.
    pub(super) fn is_marked(&self) -> bool {
        let until = self.until.load(Ordering::Relaxed);
        until != 0 && clock::now() < until
    }

    /// When it last failed.
    pub(super) fn last(&self) -> u64 {
        self.last.load(Ordering::Relaxed)
    }

    /// A request failed. True if the target is marked by it.
    pub(super) fn failed(&self, rule: Rule) -> bool {
        if rule.most == 0 {
            return false;
        }
        let now = clock::now();
        let first = self.first.load(Ordering::Relaxed);
        let count = if now.saturating_sub(first) > rule.timeout && !self.is_on_trial() {
            self.first.store(now, Ordering::Relaxed);
            self.count.store(1, Ordering::Relaxed);
            1
        } else {
            self.count.fetch_add(1, Ordering::Relaxed).saturating_add(1)
        };
        self.last.store(now, Ordering::Relaxed);
        if count < rule.most {
            return false;
        }
        self.until.store(now + rule.timeout, Ordering::Relaxed);
        count == rule.most
    }

    /// A request succeeded. True if the target was marked.
    pub(super) fn succeeded(&self) -> bool {
        if self.count.load(Ordering::Relaxed) == 0 {
            return false;
        }
        self.count.store(0, Ordering::Relaxed);
        self.until.swap(0, Ordering::Relaxed) != 0
    }

    /// It was chosen. If its time out is over, this request is the one that tries: the others stay away
    /// until it is known.
    pub(super) fn chosen(&self, timeout: Duration) {
        if self.is_on_trial() {
            let until = clock::now() + clock::millis(timeout);
            self.until.store(until, Ordering::Relaxed);
        }
    }

    fn is_on_trial(&self) -> bool {
        self.until.load(Ordering::Relaxed) != 0
    }
}

impl Rule {
    /// For how long a target gets no requests.
    pub(super) fn timeout(self) -> Duration {
        Duration::from_millis(self.timeout)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_marked_at_the_last_failure_and_free_after_a_success() {
        let rule = Rule {
            most: 2,
            timeout: 60_000,
        };
        let fails = Fails::default();
        assert!(!fails.failed(rule) && !fails.is_marked());
        assert!(fails.failed(rule) && fails.is_marked());
        assert!(!fails.failed(rule), "it is told once");
        assert!(fails.succeeded() && !fails.is_marked());
    }

    #[test]
    fn after_its_time_one_request_tries() {
        let rule = Rule {
            most: 1,
            timeout: 0,
        };
        let fails = Fails::default();
        fails.failed(rule);
        std::thread::sleep(Duration::from_millis(2));
        assert!(!fails.is_marked());
        fails.chosen(Duration::from_secs(60));
        assert!(fails.is_marked());
    }

    #[test]
    fn zero_never_marks() {
        let fails = Fails::default();
        let rule = Rule {
            most: 0,
            timeout: 60_000,
        };
        assert!(!fails.failed(rule) && !fails.is_marked());
    }
}
