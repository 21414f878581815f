//! The wall clock, watched with the monotonic one: it may be set, and the machine may sleep.

use std::time::Instant;

use jiff::{SignedDuration, Timestamp};

/// What counts as a jump; less is drift.
const JUMP: SignedDuration = SignedDuration::from_secs(2);

/// The wall clock at two looks.
#[derive(Debug)]
pub(super) struct Clock {
    now: Timestamp,
    at: Instant,
    jump: SignedDuration,
}

impl Clock {
    pub(super) fn start() -> Self {
        Self {
            now: Timestamp::now(),
            at: Instant::now(),
            jump: SignedDuration::ZERO,
        }
    }

    /// The time now.
    pub(super) fn look(&mut self) -> Timestamp {
        self.step(Timestamp::now(), Instant::now())
    }

    /// True if the clock was set back between the last two looks.
    pub(super) fn went_back(&self) -> bool {
        self.jump < -JUMP
    }

    fn step(&mut self, now: Timestamp, at: Instant) -> Timestamp {
        let wall = now.duration_since(self.now);
        let passed = SignedDuration::try_from(at.duration_since(self.at));
        self.jump = wall.saturating_sub(passed.unwrap_or(SignedDuration::MAX));
        (self.now, self.at) = (now, at);
        if self.jump.abs() > JUMP {
            let seconds = self.jump.as_secs();
            tracing::warn!(beat.jump_secs = seconds, "the clock jumped by {seconds} s");
        }
        now
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn after(seconds: i64, passed: u64) -> Clock {
        let mut clock = Clock::start();
        let now = clock.now + SignedDuration::from_secs(seconds);
        let at = clock.at + Duration::from_secs(passed);
        assert_eq!(clock.step(now, at), now);
        clock
    }

    #[test]
    fn only_a_clock_that_was_set_back_went_back() {
        assert!(after(-3600, 1).went_back());
        assert!(after(1, 60).went_back());
        for (seconds, passed) in [(1, 1), (0, 1), (3600, 1), (60, 60)] {
            assert!(!after(seconds, passed).went_back(), "{seconds} {passed}");
        }
    }
}
