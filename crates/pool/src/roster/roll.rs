//! A roll: seat after seat gets a child of a new version, and the old one goes only when that is ready.
//!
//! ```text
//! Began --> the first new children are ready, the old ones still serve --probation--> trusted
//!   --> seat after seat --> every new child has lived for its probation --> Done
//! ```
//!
//! Until the version is trusted no old child is asked to finish, and a seat that falls empty is filled
//! with the old version. A version whose children fail three times before they have lived for their
//! probation is given up: every seat goes back to the version before.

use std::time::{Duration, Instant};

use super::backoff::Backoff;
use super::{Action, Cause, Child, Exit, Roster};

/// How often new children may fail before the roll is given up.
const TRIES: u32 = 3;

/// A roll under way.
#[derive(Debug)]
pub(super) struct Roll {
    /// The version that it goes back to.
    pub(super) from: u64,
    pub(super) backoff: Backoff,
    pub(super) started: Instant,
    /// A child of the new version has lived for its probation.
    pub(super) trusted: bool,
}

/// What a roll came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RollEvent {
    /// It began.
    Began { generation: u64 },
    /// Every seat holds a child of the new generation that has proven itself.
    Done { generation: u64, took: Duration },
    /// A new child failed; another will be tried.
    Retry { reason: String, pause: Duration },
    /// Given up with so many seats renewed, which go back to generation `back_to`.
    GivenUp {
        generation: u64,
        back_to: u64,
        reason: String,
        renewed: usize,
    },
    /// After it was given up, every seat is back.
    Restored { generation: u64 },
}

impl Roster {
    /// Asks for a roll. One that is asked for during another begins after it; more do not add up.
    pub(crate) fn want_roll(&mut self, command: Option<Vec<String>>) {
        if !self.stopping {
            let before = self.roll_wanted.take().flatten();
            self.roll_wanted = Some(command.or(before));
        }
    }

    /// The program of the version that a roll brings cannot be had.
    pub(crate) fn version_failed(&mut self, reason: String) {
        self.give_up(reason);
    }

    /// True if `generation` is what a roll brings.
    pub(super) fn is_rolling(&self, generation: u64) -> bool {
        self.roll.is_some() && generation == self.generation
    }

    /// The generation of a child for a seat that is empty.
    pub(super) fn filling(&self) -> u64 {
        match &self.roll {
            Some(roll) if !roll.trusted => roll.from,
            _ => self.generation,
        }
    }

    /// Begins, trusts and finishes rolls. True if one has just begun.
    pub(super) fn step_roll(&mut self, now: Instant) -> bool {
        let probation = self.policy.probation;
        let Some(roll) = &self.roll else {
            if self.roll_wanted.is_some() {
                self.begin_roll(now);
                return true;
            }
            if self.restoring && self.is_uniform(Duration::ZERO, now) {
                self.restoring = false;
                let generation = self.generation;
                self.events.push(RollEvent::Restored { generation });
            }
            return false;
        };
        let (from, trusted) = (roll.from, roll.trusted);
        let proven =
            |child: &Child| child.generation == self.generation && child.has_served(probation, now);
        let nobody_to_keep = || {
            !self
                .children()
                .any(|child| child.generation == from && child.is_ready())
        };
        let trusted = trusted || self.children().any(proven) || nobody_to_keep();
        if let Some(roll) = &mut self.roll {
            roll.trusted = trusted;
        }
        if self.is_uniform(probation, now) {
            self.finish_roll(now);
        }
        false
    }

    /// True if every seat holds a child of the right generation that has been ready for so long, and
    /// nothing is to be replaced.
    fn is_uniform(&self, span: Duration, now: Instant) -> bool {
        self.seats.iter().all(|seat| {
            let settled = |child: &Child| child.has_served(span, now);
            !seat.is_stale(self.generation)
                && seat.incoming.is_none()
                && seat.current.as_ref().is_some_and(settled)
        })
    }

    fn begin_roll(&mut self, now: Instant) {
        let Some(command) = self.roll_wanted.take() else {
            return;
        };
        let from = self.generation;
        self.newest += 1;
        self.generation = self.newest;
        self.restoring = false;
        self.short_since = None;
        // The operator says that things have changed: seats in a pause try again at once.
        for seat in &mut self.seats {
            seat.backoff.reset();
            seat.successor.reset();
        }
        self.roll = Some(Roll {
            from,
            backoff: Backoff::default(),
            started: now,
            trusted: false,
        });
        let generation = self.generation;
        self.events.push(RollEvent::Began { generation });
        self.actions.push(Action::Begin {
            generation,
            from,
            command,
        });
    }

    fn finish_roll(&mut self, now: Instant) {
        if let Some(roll) = self.roll.take() {
            self.events.push(RollEvent::Done {
                generation: self.generation,
                took: now - roll.started,
            });
        }
    }

    /// A child that nobody asked to end has ended in its seat, or one was killed in it.
    pub(super) fn mourn(&mut self, child: &Child, exit: &Exit, now: Instant) {
        let served = child.has_served(self.policy.probation, now);
        let by_order = matches!(exit.cause, Cause::Operator | Cause::Cut);
        if self.is_rolling(child.generation) && !served && !by_order {
            self.roll_attempt_failed(crate::report::ending(exit), now);
        }
    }

    /// A new child has failed. Returns the pause before the next try.
    pub(super) fn roll_attempt_failed(&mut self, reason: String, now: Instant) -> Duration {
        let policy = self.policy.backoff;
        let Some(roll) = &mut self.roll else {
            return Duration::ZERO;
        };
        let pause = roll.backoff.fail(&policy, now);
        if roll.backoff.failures < TRIES {
            self.events.push(RollEvent::Retry { reason, pause });
        } else {
            self.give_up(reason);
        }
        pause
    }

    /// Back to the version before.
    pub(super) fn give_up(&mut self, reason: String) {
        let Some(roll) = self.roll.take() else { return };
        let given_up = std::mem::replace(&mut self.generation, roll.from);
        let of_it = |child: &Child| child.generation == given_up;
        let renewed = self
            .seats
            .iter()
            .filter(|seat| seat.current.as_ref().is_some_and(of_it))
            .count();
        self.restoring = renewed > 0;
        for seat in &mut self.seats {
            // What the new version's children did wrong is no reason to wait with the old one's.
            seat.backoff.reset();
        }
        self.events.push(RollEvent::GivenUp {
            generation: given_up,
            back_to: self.generation,
            reason,
            renewed,
        });
    }
}
