//! A roll: seat after seat gets a new child, and the old one goes only when the new one is ready.
//!
//! A version that does not become ready in three tries ends the roll; whoever serves goes on serving.

use std::time::{Duration, Instant};

use super::backoff::Backoff;
use super::{Action, MOST_DRAINING, Roster};

/// How often a new child may fail before the roll is given up.
const TRIES: u32 = 3;

/// A roll under way.
#[derive(Debug)]
pub(super) struct Roll {
    pub(super) seat: usize,
    pub(super) backoff: Backoff,
    started: Instant,
}

/// What a roll came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RollEvent {
    /// It began.
    Began { generation: u64 },
    /// Every seat holds a ready child of the new generation.
    Done { generation: u64, took: Duration },
    /// A new child failed; another will be tried.
    Retry { reason: String, pause: Duration },
    /// Given up with so many seats renewed.
    GivenUp { reason: String, renewed: usize },
}

impl Roster {
    /// The seat that the roll works on.
    pub(super) fn rolling_seat(&self) -> Option<usize> {
        self.roll.as_ref().map(|roll| roll.seat)
    }

    pub(super) fn step_roll(&mut self, now: Instant) {
        loop {
            match &self.roll {
                None if self.roll_wanted => self.begin_roll(now),
                None => return,
                Some(roll) if roll.seat >= self.seats.len() => self.finish_roll(now),
                Some(roll) => match &self.seats[roll.seat].current {
                    // It died and was started anew since the roll began: new enough once it is ready.
                    Some(child) if child.generation == self.generation => {
                        if !child.is_ready() {
                            return;
                        }
                        self.roll_seat_done();
                    }
                    _ => return self.try_replacement(now),
                },
            }
        }
    }

    fn try_replacement(&mut self, now: Instant) {
        let Some(roll) = &self.roll else { return };
        let room = self.draining.len() < MOST_DRAINING * self.seats.len();
        if self.seats[roll.seat].incoming.is_none() && room && roll.backoff.allows(now) {
            self.actions.push(Action::Spawn {
                seat: roll.seat,
                generation: self.generation,
            });
        }
    }

    fn begin_roll(&mut self, now: Instant) {
        self.roll_wanted = false;
        self.generation += 1;
        // The operator says that things have changed: seats in a pause try again at once.
        for seat in &mut self.seats {
            seat.backoff.reset();
        }
        self.roll = Some(Roll {
            seat: 0,
            backoff: Backoff::default(),
            started: now,
        });
        self.events.push(RollEvent::Began {
            generation: self.generation,
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

    pub(super) fn roll_seat_done(&mut self) {
        if let Some(roll) = &mut self.roll {
            roll.seat += 1;
            roll.backoff.reset();
        }
    }

    /// The new child of the current seat is gone before it was ready. Returns the pause before the
    /// next try.
    pub(super) fn roll_attempt_failed(&mut self, reason: String, now: Instant) -> Duration {
        let Some(roll) = &mut self.roll else {
            return Duration::ZERO;
        };
        let pause = roll.backoff.fail(&self.policy.backoff, now);
        if roll.backoff.failures < TRIES {
            self.events.push(RollEvent::Retry { reason, pause });
            return pause;
        }
        let renewed = roll.seat;
        self.roll = None;
        self.events.push(RollEvent::GivenUp { reason, renewed });
        pause
    }
}
