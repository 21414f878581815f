//! When a service that died is started again: soon at first, ever later if it keeps dying.

use std::time::{Duration, Instant};

const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(30);
/// Who lived so long begins anew.
const STEADY: Duration = Duration::from_secs(60);

/// The back-off of one service.
#[derive(Debug)]
pub(super) struct Backoff {
    started: Instant,
    pause: Duration,
    until: Option<Instant>,
}

impl Backoff {
    /// The service starts now.
    pub(super) fn new() -> Self {
        Self {
            started: Instant::now(),
            pause: FIRST,
            until: None,
        }
    }

    /// The service has ended by itself; how long to wait.
    pub(super) fn died(&mut self) -> Duration {
        if self.started.elapsed() >= STEADY {
            self.pause = FIRST;
        }
        let pause = self.pause;
        self.until = Some(Instant::now() + pause);
        self.pause = (pause * 2).min(LONGEST);
        pause
    }

    /// True while a restart is awaited.
    pub(super) fn waits(&self) -> bool {
        self.until.is_some()
    }

    /// True when the wait is over; the service counts as started then.
    pub(super) fn is_due(&mut self) -> bool {
        if self.until.is_none_or(|until| Instant::now() < until) {
            return false;
        }
        self.until = None;
        self.started = Instant::now();
        true
    }
}
