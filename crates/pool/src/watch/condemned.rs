//! A child that must end, and when: its replacement first, then what runs on its other threads, then it.

use std::time::{Duration, Instant};

use kiuas_common::scoreboard::Snapshot;

use super::stuck;
use crate::roster::{Cause, Phase};

/// A child that must end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Condemned {
    pub(crate) cause: Cause,
    pub(crate) since: Instant,
    /// The order to kill it was given.
    pub(crate) executed: bool,
}

impl Condemned {
    /// From now on.
    pub(crate) fn now(cause: Cause, now: Instant) -> Self {
        Self {
            cause,
            since: now,
            executed: false,
        }
    }

    /// True when it is to be killed now. While its replacement is not ready it is spared as long as a
    /// thread of it serves: a version that does not start must not take the last children that work.
    pub(crate) fn is_due(
        &self,
        phase: Phase,
        snapshot: &Snapshot,
        grace: Duration,
        now: Instant,
    ) -> bool {
        if self.executed {
            return false;
        }
        if self.cause == Cause::Stuck && stuck::stuck(snapshot).is_none() {
            // The thread came back. It leaves as any other that is replaced.
            return false;
        }
        let nobody_suffers = stuck::innocents(snapshot) == 0 && stuck::waiting(snapshot) == 0;
        match phase {
            Phase::Draining { since } => nobody_suffers || now - since >= grace,
            // Nothing of it serves, or it eats the memory of all others.
            Phase::Starting | Phase::Ready { .. } => match self.cause {
                Cause::RssHard => now - self.since >= grace,
                _ => stuck::is_dead(snapshot),
            },
        }
    }
}

#[cfg(test)]
mod tests;
