//! Why a request does not end.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::proc::thread::{ThreadState, syscall_name};

/// What a thread or a request hangs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    /// The thread computes.
    BusyLoop,
    /// The thread waits for a lock, perhaps for one that it holds itself.
    Lock,
    /// The thread waits inside a system call that lets nothing else run on it.
    BlockingCall,
    /// The thread waits for a disk or another device and cannot be interrupted.
    Device,
    /// The thread is well and serves others: the request waits for something that does not come. The
    /// process is left alone; the request's own deadline ends it.
    PendingFuture,
}

impl Verdict {
    /// What a thread without a sign of life hangs on. `share` is the part of the time since it fell
    /// silent that it had a processor for, if known.
    pub(crate) fn of_thread(kernel: &ThreadState, share: Option<f64>) -> Self {
        /// A thread that is blocked uses none at all.
        const COMPUTES: f64 = 0.1;
        match kernel.state {
            Some('R') => return Self::BusyLoop,
            Some('D') => return Self::Device,
            _ => {}
        }
        if share.is_some_and(|share| share >= COMPUTES) {
            return Self::BusyLoop;
        }
        let in_futex = kernel.syscall.and_then(syscall_name) == Some("futex")
            || kernel
                .wchan
                .as_deref()
                .is_some_and(|it| it.starts_with("futex"));
        if in_futex {
            Self::Lock
        } else {
            Self::BlockingCall
        }
    }

    /// The label in metrics and answers.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::BusyLoop => "busy_loop",
            Self::Lock => "lock",
            Self::BlockingCall => "blocking_call",
            Self::Device => "device",
            Self::PendingFuture => "pending_future",
        }
    }

    /// For people.
    pub(crate) fn in_words(self) -> &'static str {
        match self {
            Self::BusyLoop => "a busy loop",
            Self::Lock => "a lock",
            Self::BlockingCall => "a blocking call",
            Self::Device => "a device",
            Self::PendingFuture => "a future that stays pending",
        }
    }
}

/// Processor time of a thread when it was first seen silent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Silence {
    pub(crate) since: u64,
    pub(crate) cpu: Duration,
}

impl Silence {
    /// The part of the time from then to `now` that the thread had a processor for.
    pub(crate) fn share(&self, cpu: Duration, now: u64) -> Option<f64> {
        /// The kernel counts in hundredths of a second.
        const SHORTEST: Duration = Duration::from_millis(200);
        let span = Duration::from_nanos(now.saturating_sub(self.since));
        (span >= SHORTEST).then(|| cpu.saturating_sub(self.cpu).as_secs_f64() / span.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kernel(state: char, wchan: Option<&str>) -> ThreadState {
        ThreadState {
            state: Some(state),
            wchan: wchan.map(str::to_owned),
            ..ThreadState::default()
        }
    }

    #[test]
    fn the_kernel_tells_loops_locks_devices_and_calls_apart() {
        let of = Verdict::of_thread;
        assert_eq!(of(&kernel('R', None), None), Verdict::BusyLoop);
        assert_eq!(of(&kernel('S', Some("futex_do_wait")), None), Verdict::Lock);
        assert_eq!(
            of(&kernel('S', Some("hrtimer_nanosleep")), Some(0.0)),
            Verdict::BlockingCall
        );
        assert_eq!(of(&kernel('D', Some("folio_wait")), None), Verdict::Device);
        // Where the kernel hides the wait channel, the system call says it.
        let hidden = ThreadState {
            syscall: (0..512).find(|number| syscall_name(*number) == Some("futex")),
            ..kernel('S', None)
        };
        assert_eq!(of(&hidden, None), Verdict::Lock);
    }

    #[test]
    fn a_loop_that_was_seen_in_a_short_sleep_is_a_loop() {
        let kernel = kernel('S', Some("hrtimer_nanosleep"));
        assert_eq!(Verdict::of_thread(&kernel, Some(0.6)), Verdict::BusyLoop);
    }

    #[test]
    fn too_short_a_span_tells_nothing() {
        let silence = Silence {
            since: 1_000_000_000,
            cpu: Duration::from_secs(5),
        };
        assert_eq!(silence.share(Duration::from_secs(6), 1_100_000_000), None);
        let share = silence.share(Duration::from_secs(6), 3_000_000_000);
        assert!(share.is_some_and(|share| (share - 0.5).abs() < 0.01));
    }
}
