//! Who lives, who should live, and what to do about the difference.
//!
//! A state machine without processes, clocks or sockets: the supervisor tells it what happened (with
//! the time) and asks [`Roster::plan`] what to do. A pool has as many seats as it keeps children. A
//! seat holds at most one child that serves, and during a roll at most one that is to replace it;
//! children that finish their work have left their seat.
//!
//! ```text
//! Starting --READY=1--> Ready --SIGTERM or STOPPING=1--> Draining --> gone
//!    |  start_timeout: SIGKILL     |  dies: seat is refilled  |  drain_timeout: SIGKILL
//! ```

mod backoff;
mod child;
mod roll;

use std::time::{Duration, Instant};

use rustix::process::Pid;

use backoff::Backoff;
pub(crate) use backoff::BackoffPolicy;
pub(crate) use child::{Cause, Child, Ending, Exit, Phase};
use roll::Roll;
pub(crate) use roll::RollEvent;

/// How long the kernel may take to end a process after SIGKILL before a stopping pool leaves it.
const KILL_PATIENCE: Duration = Duration::from_secs(5);
/// While this many children a seat still drain, a roll waits: a storm of rolls stays bounded.
const MOST_DRAINING: usize = 4;

/// The numbers a roster works by.
#[derive(Debug, Clone)]
pub(crate) struct Policy {
    pub(crate) processes: usize,
    pub(crate) start_timeout: Duration,
    pub(crate) drain_timeout: Duration,
    pub(crate) ready_after: Option<Duration>,
    pub(crate) backoff: BackoffPolicy,
}

/// What the supervisor shall do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// Start a child and report [`Roster::spawned`] or [`Roster::spawn_failed`].
    Spawn { seat: usize, generation: u64 },
    /// Send SIGTERM.
    Terminate(Pid),
    /// Send SIGKILL.
    Kill(Pid),
}

#[derive(Debug, Default)]
struct Seat {
    current: Option<Child>,
    incoming: Option<Child>,
    backoff: Backoff,
}

/// All children of a pool.
#[derive(Debug)]
pub(crate) struct Roster {
    policy: Policy,
    generation: u64,
    seats: Vec<Seat>,
    draining: Vec<Child>,
    roll: Option<Roll>,
    roll_wanted: bool,
    stopping: bool,
    actions: Vec<Action>,
    events: Vec<RollEvent>,
}

/// How many children are in which phase.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) starting: usize,
    pub(crate) ready: usize,
    pub(crate) draining: usize,
}

impl Roster {
    pub(crate) fn new(policy: Policy) -> Self {
        let seats = (0..policy.processes).map(|_| Seat::default()).collect();
        Self {
            policy,
            generation: 1,
            seats,
            draining: Vec::new(),
            roll: None,
            roll_wanted: false,
            stopping: false,
            actions: Vec::new(),
            events: Vec::new(),
        }
    }

    // === what happened ===

    /// A child runs in `seat`: as the one that serves, or in a roll as the one to replace it.
    pub(crate) fn spawned(&mut self, seat: usize, pid: Pid, now: Instant) {
        let child = Child::new(pid, seat, self.generation, now);
        let rolled = self.rolling_seat() == Some(seat);
        let Some(seat) = self.seats.get_mut(seat) else {
            return;
        };
        let place = if rolled {
            &mut seat.incoming
        } else {
            &mut seat.current
        };
        debug_assert!(place.is_none(), "a seat has one place of each kind");
        *place = Some(child);
    }

    /// No child could be started in `seat`. Returns the pause before the next try.
    pub(crate) fn spawn_failed(&mut self, seat: usize, reason: &str, now: Instant) -> Duration {
        if self.rolling_seat() == Some(seat) {
            return self.roll_attempt_failed(reason.to_owned(), now);
        }
        let policy = self.policy.backoff;
        self.seats
            .get_mut(seat)
            .map_or(Duration::ZERO, |seat| seat.backoff.fail(&policy, now))
    }

    /// A child said that it may receive work. True if that is news.
    pub(crate) fn ready(&mut self, pid: Pid, now: Instant) -> bool {
        let Some((seat, is_incoming)) = self.find_starting(pid) else {
            return false;
        };
        let place = &mut self.seats[seat];
        if is_incoming {
            let successor = place.incoming.take();
            if let Some(mut old) = std::mem::replace(&mut place.current, successor) {
                old.drain(Cause::Rolled, now);
                self.actions.push(Action::Terminate(old.pid));
                self.draining.push(old);
            }
            self.roll_seat_done();
        }
        if let Some(child) = &mut self.seats[seat].current {
            child.phase = Phase::Ready { since: now };
        }
        true
    }

    /// A child said that it has stopped taking work: its seat is free for another.
    pub(crate) fn stopping_by_itself(&mut self, pid: Pid, now: Instant) {
        let is_it = |child: &mut Child| child.pid == pid && child.killed.is_none();
        let policy = self.policy.backoff;
        for seat in &mut self.seats {
            if let Some(mut child) = seat.current.take_if(is_it) {
                seat.backoff.vacated(&child, &policy, now);
                child.drain(Cause::OwnWill, now);
                self.draining.push(child);
                return;
            }
        }
    }

    /// A process ended. `None` if it was none of ours (an orphan that the pool inherited).
    pub(crate) fn exited(&mut self, pid: Pid, ending: Ending, now: Instant) -> Option<Exit> {
        if let Some(index) = self.draining.iter().position(|child| child.pid == pid) {
            return Some(self.draining.swap_remove(index).obituary(ending, now));
        }
        let is_it = |child: &mut Child| child.pid == pid;
        let policy = self.policy.backoff;
        for seat in &mut self.seats {
            if let Some(child) = seat.current.take_if(is_it) {
                seat.backoff.vacated(&child, &policy, now);
                return Some(child.obituary(ending, now));
            }
            if let Some(child) = seat.incoming.take_if(is_it) {
                let exit = child.obituary(ending, now);
                self.roll_attempt_failed(crate::report::ending(&exit), now);
                return Some(exit);
            }
        }
        None
    }

    /// Asks for a roll. One that is asked for during another begins after it; more do not add up.
    pub(crate) fn want_roll(&mut self) {
        self.roll_wanted = !self.stopping;
    }

    /// Asks every child to finish.
    pub(crate) fn stop(&mut self, now: Instant) {
        self.stopping = true;
        self.roll = None;
        self.roll_wanted = false;
        for seat in &mut self.seats {
            let leaving = [seat.current.take(), seat.incoming.take()];
            for mut child in leaving.into_iter().flatten() {
                // One that is being killed keeps its cause.
                let cause = child.cause.unwrap_or(Cause::Stop);
                child.drain(cause, now);
                self.actions.push(Action::Terminate(child.pid));
                self.draining.push(child);
            }
        }
    }

    /// Ends every child at once. Only after [`Roster::stop`].
    pub(crate) fn cut(&mut self, now: Instant) {
        for child in &mut self.draining {
            kill(child, Cause::Cut, now, &mut self.actions);
        }
    }

    // === what to do ===

    /// Everything that is to be done now. The supervisor does all of it before it asks again.
    pub(crate) fn plan(&mut self, now: Instant) -> Vec<Action> {
        self.enforce_deadlines(now);
        if !self.stopping {
            self.step_roll(now);
            self.refill(now);
        }
        std::mem::take(&mut self.actions)
    }

    /// What the roll has come to since the last call.
    pub(crate) fn take_events(&mut self) -> Vec<RollEvent> {
        std::mem::take(&mut self.events)
    }

    /// When [`Roster::plan`] will have something to do even if nothing happens. What was due at `now`
    /// is done already, by the plan made for that instant.
    pub(crate) fn next_deadline(&self, now: Instant) -> Option<Instant> {
        let seated = self.seats.iter().flat_map(|seat| {
            let restart = seat.backoff.not_before.filter(|_| seat.current.is_none());
            [
                seat.current
                    .as_ref()
                    .and_then(|child| self.deadline_of(child)),
                seat.incoming
                    .as_ref()
                    .and_then(|child| self.deadline_of(child)),
                restart,
            ]
        });
        let draining = self.draining.iter().map(|child| self.deadline_of(child));
        let roll = self.roll.as_ref().and_then(|roll| roll.backoff.not_before);
        let all = seated.chain(draining).chain([roll]).flatten();
        all.filter(|instant| *instant > now).min()
    }

    /// True when a stopping pool has nothing left to wait for.
    pub(crate) fn is_over(&self, now: Instant) -> bool {
        let lost = |child: &Child| child.killed.is_some_and(|at| now - at >= KILL_PATIENCE);
        self.stopping && self.draining.iter().all(lost)
    }

    /// Children that did not even end by SIGKILL.
    pub(crate) fn unkillable(&self) -> Vec<Pid> {
        self.draining.iter().map(|child| child.pid).collect()
    }

    /// How many children are in which phase.
    pub(crate) fn count(&self) -> Count {
        let seated = self
            .seats
            .iter()
            .flat_map(|seat| [&seat.current, &seat.incoming]);
        let mut count = Count {
            draining: self.draining.len(),
            ..Count::default()
        };
        for child in seated.flatten() {
            if child.is_ready() {
                count.ready += 1;
            } else {
                count.starting += 1;
            }
        }
        count
    }

    /// True when every seat holds a ready child.
    pub(crate) fn is_full(&self) -> bool {
        let ready = |seat: &Seat| seat.current.as_ref().is_some_and(Child::is_ready);
        self.seats.iter().all(ready)
    }

    // === inside ===

    /// The seat of a starting child and whether it is a replacement.
    fn find_starting(&self, pid: Pid) -> Option<(usize, bool)> {
        let is_it = |child: &Option<Child>| {
            child.as_ref().is_some_and(|child| {
                child.pid == pid && child.phase == Phase::Starting && child.killed.is_none()
            })
        };
        self.seats.iter().enumerate().find_map(|(index, seat)| {
            match (is_it(&seat.current), is_it(&seat.incoming)) {
                (true, _) => Some((index, false)),
                (_, true) => Some((index, true)),
                _ => None,
            }
        })
    }

    fn refill(&mut self, now: Instant) {
        let rolling = self.rolling_seat();
        for (index, seat) in self.seats.iter().enumerate() {
            if seat.current.is_none() && rolling != Some(index) && seat.backoff.allows(now) {
                self.actions.push(Action::Spawn {
                    seat: index,
                    generation: self.generation,
                });
            }
        }
    }

    fn enforce_deadlines(&mut self, now: Instant) {
        if let Some(after) = self.policy.ready_after {
            for pid in self.grown_up(now, after) {
                self.ready(pid, now);
            }
        }
        let (start, drain) = (self.policy.start_timeout, self.policy.drain_timeout);
        let actions = &mut self.actions;
        let seated = self
            .seats
            .iter_mut()
            .flat_map(|seat| [&mut seat.current, &mut seat.incoming]);
        for child in seated.flatten().chain(&mut self.draining) {
            match child.phase {
                Phase::Starting if now - child.started >= start => {
                    kill(child, Cause::StartTimeout, now, actions);
                }
                Phase::Draining { since } if now - since >= drain => {
                    kill(child, Cause::DrainTimeout, now, actions);
                }
                _ => {}
            }
        }
    }

    fn grown_up(&self, now: Instant, after: Duration) -> Vec<Pid> {
        let seated = self
            .seats
            .iter()
            .flat_map(|seat| [&seat.current, &seat.incoming]);
        seated
            .flatten()
            .filter(|child| child.phase == Phase::Starting && now - child.started >= after)
            .map(|child| child.pid)
            .collect()
    }

    fn deadline_of(&self, child: &Child) -> Option<Instant> {
        if let Some(killed) = child.killed {
            return self.stopping.then_some(killed + KILL_PATIENCE);
        }
        match child.phase {
            Phase::Starting => {
                let limit = self.policy.start_timeout;
                Some(child.started + self.policy.ready_after.unwrap_or(limit).min(limit))
            }
            Phase::Ready { .. } => None,
            Phase::Draining { since } => Some(since + self.policy.drain_timeout),
        }
    }
}

fn kill(child: &mut Child, cause: Cause, now: Instant, actions: &mut Vec<Action>) {
    if child.killed.is_none() {
        child.killed = Some(now);
        child.cause = Some(cause);
        actions.push(Action::Kill(child.pid));
    }
}

#[cfg(test)]
mod tests;
