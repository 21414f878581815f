//! What is to be done now.

use std::time::{Duration, Instant};

use rustix::process::Pid;

use super::seat::Seat;
use super::{Action, Cause, Child, KILL_PATIENCE, Phase, Roster};

/// While this many children a seat still drain, nothing is replaced: a storm of rolls stays bounded.
pub(super) const MOST_DRAINING: usize = 4;
/// How often memory is looked at while a successor waits for it.
const MEMORY_AGAIN: Duration = Duration::from_secs(1);

impl Roster {
    /// Everything that is to be done now. The supervisor does all of it, and asks again until nothing is
    /// left. `room` says for how many more children beside the present ones there is memory; it is asked
    /// only when somebody is to be replaced.
    pub(crate) fn plan(&mut self, now: Instant, room: impl FnOnce() -> usize) -> Vec<Action> {
        self.enforce_deadlines(now);
        if !self.stopping {
            let begins = self.step_roll(now);
            self.dismiss_wrong_successors(now);
            self.promote(now);
            // A version that has just begun is got ready first.
            if !begins {
                self.refill(now);
                self.start_successors(now, room);
            }
        }
        std::mem::take(&mut self.actions)
    }

    /// When [`Roster::plan`] will have something to do even if nothing happens. What was due at `now`
    /// is done already, by the plan made for that instant.
    pub(crate) fn next_deadline(&self, now: Instant) -> Option<Instant> {
        let restarts = self.seats.iter().flat_map(|seat| {
            [
                seat.backoff.not_before.filter(|_| seat.current.is_none()),
                seat.successor
                    .not_before
                    .filter(|_| seat.is_stale(self.generation)),
            ]
        });
        let children = self.children().flat_map(|child| self.deadlines_of(child));
        let roll = self.roll.as_ref().and_then(|roll| roll.backoff.not_before);
        let memory = self.short_since.map(|_| now + MEMORY_AGAIN);
        let all = restarts.chain([roll, memory]).flatten().chain(children);
        all.filter(|instant| *instant > now).min()
    }

    fn deadlines_of(&self, child: &Child) -> impl Iterator<Item = Instant> + use<> {
        let policy = &self.policy;
        let deadline = match (child.killed, child.phase) {
            (Some(killed), _) => self.stopping.then_some(killed + KILL_PATIENCE),
            (None, Phase::Starting) => {
                let limit = policy.start_timeout;
                Some(child.started + policy.ready_after.unwrap_or(limit).min(limit))
            }
            (None, Phase::Ready { since }) if self.is_rolling(child.generation) => {
                Some(since + policy.probation)
            }
            (None, Phase::Ready { .. }) => None,
            (None, Phase::Draining { since }) => Some(since + policy.drain_timeout),
        };
        deadline.into_iter()
    }

    fn enforce_deadlines(&mut self, now: Instant) {
        if let Some(after) = self.policy.ready_after {
            for pid in self.grown_up(now, after) {
                self.ready(pid, now);
            }
        }
        let (start, drain) = (self.policy.start_timeout, self.policy.drain_timeout);
        let actions = &mut self.actions;
        let seated = self.seats.iter_mut().flat_map(Seat::children_mut);
        for child in seated.chain(&mut self.draining) {
            match child.phase {
                Phase::Starting if now - child.started >= start => {
                    child.kill(Cause::StartTimeout, now, actions);
                }
                Phase::Draining { since } if now - since >= drain => {
                    let cause = match child.cause {
                        // Whoever is to be killed sooner or later keeps the reason.
                        Some(Cause::Stuck) => Cause::Stuck,
                        _ => Cause::DrainTimeout,
                    };
                    child.kill(cause, now, actions);
                }
                _ => {}
            }
        }
    }

    fn grown_up(&self, now: Instant, after: Duration) -> Vec<Pid> {
        self.children()
            .filter(|child| child.is_starting() && now - child.started >= after)
            .map(|child| child.pid)
            .collect()
    }

    /// Successors that may take over do so.
    fn promote(&mut self, now: Instant) {
        let waits = self.roll.as_ref().is_some_and(|roll| !roll.trusted);
        let rolling = self.roll.is_some();
        let mut leaving = Vec::new();
        for seat in &mut self.seats {
            let may = |child: &Child| child.is_ready() && child.killed.is_none() && !waits;
            if !seat.incoming.as_ref().is_some_and(may) {
                continue;
            }
            let default = if rolling {
                Cause::Rolled
            } else {
                Cause::RolledBack
            };
            let cause = seat.replace.take().unwrap_or(default);
            seat.successor.reset();
            let successor = seat.incoming.take();
            if let Some(old) = std::mem::replace(&mut seat.current, successor) {
                leaving.push((old, cause));
            }
        }
        for (old, cause) in leaving {
            self.send_off(old, cause, now);
        }
    }

    /// Successors that nobody wants any more: those of a version that was given up.
    fn dismiss_wrong_successors(&mut self, now: Instant) {
        let right = self.generation;
        let wrong = |child: &mut Child| child.generation != right;
        let dismissed: Vec<Child> = self
            .seats
            .iter_mut()
            .filter_map(|seat| seat.incoming.take_if(wrong))
            .collect();
        for child in dismissed {
            self.send_off(child, Cause::RolledBack, now);
        }
    }

    fn refill(&mut self, now: Instant) {
        let generation = self.filling();
        let may_try = self.may_try(generation, now);
        for (index, seat) in self.seats.iter().enumerate() {
            if seat.current.is_none() && may_try && seat.backoff.allows(now) {
                self.actions.push(Action::Spawn {
                    seat: index,
                    generation,
                });
            }
        }
    }

    /// False while a failed try of a roll's version is too fresh.
    fn may_try(&self, generation: u64, now: Instant) -> bool {
        let allows = |roll: &super::Roll| roll.backoff.allows(now);
        !self.is_rolling(generation) || self.roll.as_ref().is_none_or(allows)
    }

    fn start_successors(&mut self, now: Instant, room: impl FnOnce() -> usize) {
        let generation = self.generation;
        let on_their_way = self.on_their_way();
        let calm = self.draining.len() < MOST_DRAINING * self.seats.len();
        if !calm || !self.may_try(generation, now) || on_their_way >= self.policy.surge {
            return;
        }
        let waiting: Vec<usize> = (0..self.seats.len())
            .filter(|index| {
                let seat = &self.seats[*index];
                let serves = seat.current.is_some() && seat.incoming.is_none();
                serves && seat.is_stale(generation) && seat.successor.allows(now)
            })
            .collect();
        if waiting.is_empty() {
            self.short_since = None;
            return;
        }
        // Those on their way may still grow to their full size.
        let room = room().saturating_sub(on_their_way);
        if room == 0 && on_their_way == 0 {
            self.wait_for_memory(&waiting, now);
            return;
        }
        self.short_since = None;
        for seat in waiting
            .into_iter()
            .take(room.min(self.policy.surge - on_their_way))
        {
            self.actions.push(Action::Spawn { seat, generation });
        }
    }

    /// Replacements under way: successors beside their predecessors, and children of a roll that came into
    /// an empty seat and are not ready yet.
    fn on_their_way(&self) -> usize {
        let coming = |seat: &&Seat| {
            let starts = |child: &Child| child.is_starting() && self.is_rolling(child.generation);
            seat.incoming.is_some() || seat.current.as_ref().is_some_and(starts)
        };
        self.seats.iter().filter(coming).count()
    }

    /// There is no memory for a successor beside its predecessor.
    fn wait_for_memory(&mut self, waiting: &[usize], now: Instant) {
        let since = *self.short_since.get_or_insert(now);
        if now - since < self.policy.start_timeout {
            return;
        }
        self.short_since = None;
        if self.roll.is_some() {
            let reason = "there is no memory for one more child beside the others".to_owned();
            return self.give_up(reason);
        }
        // One that shall go for what it takes makes room for its own successor.
        let seat = waiting.first().and_then(|index| self.seats.get_mut(*index));
        let leaving = seat.and_then(|seat| {
            let cause = seat.replace.unwrap_or(Cause::RolledBack);
            seat.take_current_if(|_| true).map(|child| (child, cause))
        });
        if let Some((child, cause)) = leaving {
            self.send_off(child, cause, now);
        }
    }
}
