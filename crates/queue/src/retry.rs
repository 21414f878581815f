//! How often and how late a failed task is tried again.

use std::time::Duration;

/// Exponential back-off with jitter. The default tries five times more, after about 1, 2, 4, 8 and
/// 16 seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Tries after the first one. 0: a failure is final.
    pub max: u32,
    /// Pause before the first retry; each further one is twice as long.
    pub base: Duration,
    /// Longest pause.
    pub ceiling: Duration,
    /// Share of each pause that is random, 0 to 100 percent: what failed together must not come
    /// back together.
    pub jitter_percent: u8,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            max: 5,
            base: Duration::from_secs(1),
            ceiling: Duration::from_secs(600),
            jitter_percent: 50,
        }
    }
}

impl RetryPolicy {
    /// A failure is final.
    #[must_use]
    pub const fn never() -> Self {
        Self {
            max: 0,
            base: Duration::ZERO,
            ceiling: Duration::ZERO,
            jitter_percent: 0,
        }
    }

    /// The pause before retry number `retries + 1`, or `None` when the tries are used up.
    #[must_use]
    pub fn pause(&self, retries: u32) -> Option<Duration> {
        (retries < self.max).then(|| {
            let full = self.full_pause(retries);
            let share = f64::from(self.jitter_percent.min(100)) / 100.0;
            full.mul_f64(1.0 - share * rand::random::<f64>())
        })
    }

    /// The pause without jitter.
    fn full_pause(&self, retries: u32) -> Duration {
        let factor = 1_u32.checked_shl(retries).unwrap_or(u32::MAX);
        self.base.saturating_mul(factor).min(self.ceiling)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_ceiling() {
        let policy = RetryPolicy {
            max: 100,
            base: Duration::from_secs(1),
            ceiling: Duration::from_secs(10),
            jitter_percent: 0,
        };
        let pauses: Vec<_> = [0, 1, 2, 3, 4, 40, 99]
            .map(|retries| policy.pause(retries).map_or(0, |pause| pause.as_secs()))
            .into();
        assert_eq!(pauses, [1, 2, 4, 8, 10, 10, 10]);
    }

    #[test]
    fn tries_end() {
        let policy = RetryPolicy {
            max: 2,
            ..RetryPolicy::default()
        };
        assert!(policy.pause(1).is_some());
        assert_eq!(policy.pause(2), None);
        assert_eq!(RetryPolicy::never().pause(0), None);
    }

    #[test]
    fn jitter_only_shortens_within_its_share() {
        let policy = RetryPolicy::default();
        for _ in 0..1000 {
            let pause = policy.pause(3).expect("a retry");
            assert!(pause >= Duration::from_secs(4) && pause <= Duration::from_secs(8));
        }
    }
}
