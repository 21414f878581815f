//! How old a stored answer is and whether it may be used (RFC 9111 4.2, RFC 5861).

use super::Source;
use crate::cache::control::MOST_SECONDS;

/// What was decided when the answer came. All numbers are seconds unless they say otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetime {
    /// Its age when it came.
    pub initial_age: u32,
    /// When it came, in milliseconds since 1970.
    pub since: u64,
    /// It is fresh until it is this old.
    pub fresh_for: u32,
    /// After that it may be used for so long while it is validated in the background.
    pub while_revalidate: u32,
    /// After that it may be used for so long if the application fails.
    pub if_error: u32,
    /// A visitor's `max-stale` does not count.
    pub strict: bool,
    /// Where the lifetime comes from.
    pub source: Source,
}

impl Lifetime {
    /// `current_age` (RFC 9111 4.2.3) at `now` in milliseconds.
    #[must_use]
    pub fn age(&self, now: u64) -> u32 {
        let resident = now.saturating_sub(self.since) / 1000;
        let age = u64::from(self.initial_age).saturating_add(resident);
        u32::try_from(age).unwrap_or(MOST_SECONDS).min(MOST_SECONDS)
    }

    /// Seconds of freshness left; negative once it is stale.
    #[must_use]
    pub fn left(&self, now: u64) -> i64 {
        i64::from(self.fresh_for) - i64::from(self.age(now))
    }

    /// True while its age is below its lifetime.
    #[must_use]
    pub fn is_fresh(&self, now: u64) -> bool {
        self.left(now) > 0
    }

    /// RFC 5861 3.
    #[must_use]
    pub fn allows_while_revalidate(&self, now: u64) -> bool {
        self.left(now) + i64::from(self.while_revalidate) > 0
    }

    /// RFC 5861 4.
    #[must_use]
    pub fn allows_if_error(&self, now: u64) -> bool {
        self.left(now) + i64::from(self.if_error) > 0
    }

    /// False if it could never be used without asking the application.
    pub(super) fn is_useful(&self) -> bool {
        let within = |stale: u32| self.initial_age < self.fresh_for.saturating_add(stale);
        self.source != Source::Nothing
            && (within(self.while_revalidate) || (self.fresh_for > 0 && within(self.if_error)))
    }
}
