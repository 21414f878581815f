//! One process and where it is in its life.

use std::fmt;
use std::time::{Duration, Instant};

use rustix::process::Pid;

use super::{Action, Cause};

/// What the kernel says about an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// It returned this status.
    Status(i32),
    /// This signal ended it.
    Signal(i32),
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(code) => write!(f, "exit status {code}"),
            Self::Signal(number) => write!(f, "signal {number}{}", signal_name(*number)),
        }
    }
}

fn signal_name(number: i32) -> &'static str {
    match number {
        4 => " (SIGILL)",
        6 => " (SIGABRT)",
        7 => " (SIGBUS)",
        9 => " (SIGKILL)",
        11 => " (SIGSEGV)",
        15 => " (SIGTERM)",
        _ => "",
    }
}

/// Where a child is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Started, has not said that it is ready.
    Starting,
    /// May receive work.
    Ready { since: Instant },
    /// Was asked to finish, or said that it does.
    Draining { since: Instant },
}

/// A living child.
#[derive(Debug)]
pub(crate) struct Child {
    pub(crate) pid: Pid,
    pub(crate) seat: usize,
    pub(crate) generation: u64,
    /// How many children were started in its seat before it.
    pub(crate) respawns: u64,
    pub(crate) started: Instant,
    pub(crate) phase: Phase,
    pub(crate) paused: bool,
    /// Set once somebody asked for its end.
    pub(crate) cause: Option<Cause>,
    /// When it was sent SIGKILL.
    pub(crate) killed: Option<Instant>,
}

impl Child {
    pub(crate) fn new(pid: Pid, seat: usize, generation: u64, respawns: u64, now: Instant) -> Self {
        Self {
            pid,
            seat,
            generation,
            respawns,
            started: now,
            phase: Phase::Starting,
            paused: false,
            cause: None,
            killed: None,
        }
    }

    pub(crate) fn is_ready(&self) -> bool {
        matches!(self.phase, Phase::Ready { .. })
    }

    pub(crate) fn is_starting(&self) -> bool {
        self.phase == Phase::Starting && self.killed.is_none()
    }

    /// True once it has been ready for so long.
    pub(crate) fn has_served(&self, span: Duration, now: Instant) -> bool {
        matches!(self.phase, Phase::Ready { since } if now - since >= span)
    }

    pub(crate) fn drain(&mut self, cause: Cause, now: Instant) {
        self.phase = Phase::Draining { since: now };
        self.cause = Some(cause);
    }

    pub(crate) fn kill(&mut self, cause: Cause, now: Instant, actions: &mut Vec<Action>) {
        if self.killed.is_none() {
            self.killed = Some(now);
            self.cause = Some(cause);
            actions.push(Action::Kill(self.pid));
        }
    }

    /// The account of its end.
    pub(crate) fn obituary(&self, ending: Ending, now: Instant) -> Exit {
        let (default, drained) = match self.phase {
            Phase::Starting => (Cause::StartFailed, None),
            Phase::Ready { .. } => (Cause::Crash, None),
            Phase::Draining { since } => (Cause::OwnWill, Some(now - since)),
        };
        Exit {
            pid: self.pid,
            seat: self.seat,
            generation: self.generation,
            cause: self.cause.unwrap_or(default),
            ending,
            ran: now - self.started,
            drained,
        }
    }
}

/// The account of a child's end.
#[derive(Debug, Clone)]
pub(crate) struct Exit {
    pub(crate) pid: Pid,
    pub(crate) seat: usize,
    pub(crate) generation: u64,
    pub(crate) cause: Cause,
    pub(crate) ending: Ending,
    /// From its start to its end.
    pub(crate) ran: Duration,
    /// From the request to finish to its end.
    pub(crate) drained: Option<Duration>,
}
