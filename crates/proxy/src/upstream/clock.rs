//! Moments as numbers, so that threads can share them without a lock.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

static BEGIN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Milliseconds since the process first asked, never 0: that means "never" wherever moments are kept.
pub(super) fn now() -> u64 {
    millis(BEGIN.elapsed()) + 1
}

/// A duration in milliseconds.
pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX / 2)
}
