//! The time, cheaply: the kernel's coarse clocks (a few milliseconds fine, read without a system
//! call), and the `Date` of answers, formatted once a second and thread.

use std::cell::Cell;
use std::time::{Duration, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};

/// Length of a date as HTTP writes it (RFC 9110 5.6.7).
pub const DATE_LENGTH: usize = 29;

/// Milliseconds since an arbitrary moment, never 0, never going back. For time limits.
#[must_use]
pub fn milliseconds() -> u64 {
    let now = clock_gettime(ClockId::MonotonicCoarse);
    let seconds = u64::try_from(now.tv_sec).unwrap_or_default();
    let rest = u64::try_from(now.tv_nsec).unwrap_or_default() / 1_000_000;
    seconds.saturating_mul(1000) + rest + 1
}

/// Since 1970, for what need not be finer than some milliseconds.
#[must_use]
pub fn since_epoch() -> Duration {
    let now = clock_gettime(ClockId::RealtimeCoarse);
    let seconds = u64::try_from(now.tv_sec).unwrap_or_default();
    Duration::new(seconds, u32::try_from(now.tv_nsec).unwrap_or_default())
}

thread_local! {
    static DATE: Cell<(u64, [u8; DATE_LENGTH])> = const { Cell::new((u64::MAX, [b' '; DATE_LENGTH])) };
}

/// Now, as `Date` has it.
#[must_use]
pub fn date() -> [u8; DATE_LENGTH] {
    let second = since_epoch().as_secs();
    let (known, text) = DATE.get();
    if known == second {
        return text;
    }
    let formatted = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(second));
    let mut text = [b' '; DATE_LENGTH];
    for (to, from) in text.iter_mut().zip(formatted.bytes()) {
        *to = from;
    }
    DATE.set((second, text));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_date_is_now_and_whole() {
        let text = String::from_utf8(date().to_vec()).expect("text");
        let parsed = httpdate::parse_http_date(&text).expect("a date");
        let age = std::time::SystemTime::now().duration_since(parsed);
        assert!(age.is_ok_and(|age| age < Duration::from_secs(5)), "{text}");
    }

    #[test]
    fn time_does_not_go_back() {
        let first = milliseconds();
        assert!(first > 0 && milliseconds() >= first);
    }
}
