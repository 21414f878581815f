//! Who lives, who should live, and what to do about the difference.
//!
//! A state machine without processes, clocks or sockets: the supervisor tells it what happened (with
//! the time) and asks [`Roster::plan`] what to do. A pool has as many seats as it keeps children. A
//! seat holds at most one child that serves, and at most one that is to replace it; children that
//! finish their work have left their seat.
//!
//! ```text
//! Starting --ready--> Ready --stop signal or STOPPING=1--> Draining --> gone
//!    |  start_timeout: SIGKILL     |  dies: seat is refilled  |  drain_timeout: SIGKILL
//! ```
//!
//! Every replacement, whether of a roll or of one child, goes the same way: the successor is started
//! beside the child, and the child is asked to finish only when the successor is ready.

mod backoff;
mod cause;
mod child;
mod orders;
mod plan;
mod roll;
mod seat;
mod state;

use std::time::{Duration, Instant};

use rustix::process::Pid;

pub(crate) use backoff::BackoffPolicy;
pub(crate) use cause::Cause;
pub(crate) use child::{Child, Ending, Exit, Phase};
use roll::Roll;
pub(crate) use roll::RollEvent;
use seat::Seat;
pub(crate) use state::State;

/// How long the kernel may take to end a process after SIGKILL before a stopping pool leaves it.
const KILL_PATIENCE: Duration = Duration::from_secs(5);

/// The numbers a roster works by.
#[derive(Debug, Clone)]
pub(crate) struct Policy {
    pub(crate) processes: usize,
    pub(crate) start_timeout: Duration,
    pub(crate) drain_timeout: Duration,
    pub(crate) ready_after: Option<Duration>,
    pub(crate) probation: Duration,
    pub(crate) surge: usize,
    pub(crate) backoff: BackoffPolicy,
}

/// What the supervisor shall do now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    /// Get the program of a new version ready, or report [`Roster::version_failed`]. `command` is what it
    /// shall run; if none, what version `from` runs.
    Begin {
        generation: u64,
        from: u64,
        command: Option<Vec<String>>,
    },
    /// Start a child and report [`Roster::spawned`] or [`Roster::spawn_failed`].
    Spawn { seat: usize, generation: u64 },
    /// Send the stop signal; `wake` a child that is paused.
    Terminate { pid: Pid, wake: bool },
    /// Send SIGKILL.
    Kill(Pid),
    /// Let it take no new work.
    Pause(Pid),
    /// Let it take work again.
    Resume(Pid),
}

/// All children of a pool.
#[derive(Debug)]
pub(crate) struct Roster {
    policy: Policy,
    /// What every child should be of.
    generation: u64,
    /// The last number that was given to a version.
    newest: u64,
    seats: Vec<Seat>,
    draining: Vec<Child>,
    roll: Option<Roll>,
    /// A roll that begins after the one under way, with a new command or without.
    roll_wanted: Option<Option<Vec<String>>>,
    /// Since when a successor waits for memory.
    short_since: Option<Instant>,
    /// A version was given up, and not every seat is back.
    restoring: bool,
    paused: bool,
    /// It keeps no child now; so many when somebody comes.
    asleep: Option<usize>,
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
            newest: 1,
            seats,
            draining: Vec::new(),
            roll: None,
            roll_wanted: None,
            short_since: None,
            restoring: false,
            paused: false,
            asleep: None,
            stopping: false,
            actions: Vec::new(),
            events: Vec::new(),
        }
    }

    // === what happened ===

    /// A child of `generation` runs in `seat`: as the one that serves, or beside the one that it is to
    /// replace.
    pub(crate) fn spawned(&mut self, seat: usize, pid: Pid, generation: u64, now: Instant) {
        let Some(place) = self.seats.get_mut(seat) else {
            return;
        };
        let child = Child::new(pid, seat, generation, place.respawns, now);
        place.respawns += 1;
        match &place.current {
            None => place.current = Some(child),
            Some(_) => place.incoming = Some(child),
        }
    }

    /// No child of `generation` could be started in `seat`. Returns the pause before the next try.
    pub(crate) fn spawn_failed(
        &mut self,
        seat: usize,
        generation: u64,
        reason: &str,
        now: Instant,
    ) -> Duration {
        if self.is_rolling(generation) {
            return self.roll_attempt_failed(reason.to_owned(), now);
        }
        let policy = self.policy.backoff;
        self.seats
            .get_mut(seat)
            .map_or(Duration::ZERO, |seat| match &seat.current {
                None => seat.backoff.fail(&policy, now),
                Some(_) => seat.successor.fail(&policy, now),
            })
    }

    /// A child may receive work. True if that is news.
    pub(crate) fn ready(&mut self, pid: Pid, now: Instant) -> bool {
        let paused = self.paused;
        let mut starting = self.seats.iter_mut().flat_map(Seat::children_mut);
        let Some(child) = starting.find(|child| child.pid == pid && child.is_starting()) else {
            return false;
        };
        child.phase = Phase::Ready { since: now };
        child.paused = paused;
        if paused {
            self.actions.push(Action::Pause(pid));
        }
        true
    }

    /// A child said that it has stopped taking work: its seat is free for another.
    pub(crate) fn stopping_by_itself(&mut self, pid: Pid, now: Instant) {
        let is_it = |child: &mut Child| child.pid == pid && child.killed.is_none();
        let policy = self.policy.backoff;
        for seat in &mut self.seats {
            if let Some(mut child) = seat.take_current_if(is_it) {
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
        let rolling = self.roll.as_ref().map(|_| self.generation);
        for seat in &mut self.seats {
            if let Some(child) = seat.take_current_if(is_it) {
                let exit = child.obituary(ending, now);
                seat.backoff.vacated(&child, &policy, now);
                self.mourn(&child, &exit, now);
                return Some(exit);
            }
            if let Some(child) = seat.incoming.take_if(is_it) {
                let exit = child.obituary(ending, now);
                if rolling != Some(child.generation) {
                    seat.successor.fail(&policy, now);
                }
                self.mourn(&child, &exit, now);
                return Some(exit);
            }
        }
        None
    }

    /// Asks every child to finish.
    pub(crate) fn stop(&mut self, now: Instant) {
        self.stopping = true;
        self.roll = None;
        self.roll_wanted = None;
        for mut seat in std::mem::take(&mut self.seats) {
            for child in seat.take_all() {
                self.send_off(child, Cause::Stop, now);
            }
        }
    }

    /// Ends every child at once. Only after [`Roster::stop`].
    pub(crate) fn cut(&mut self, now: Instant) {
        for child in &mut self.draining {
            child.kill(Cause::Cut, now, &mut self.actions);
        }
    }

    // === what it is like ===

    /// What the rolls have come to since the last call.
    pub(crate) fn take_events(&mut self) -> Vec<RollEvent> {
        std::mem::take(&mut self.events)
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

    /// Every living child.
    pub(crate) fn children(&self) -> impl Iterator<Item = &Child> {
        self.seats
            .iter()
            .flat_map(Seat::children)
            .chain(&self.draining)
    }

    /// How many children are in which phase.
    pub(crate) fn count(&self) -> Count {
        let mut count = Count::default();
        for child in self.children() {
            match child.phase {
                Phase::Starting => count.starting += 1,
                Phase::Ready { .. } => count.ready += 1,
                Phase::Draining { .. } => count.draining += 1,
            }
        }
        count
    }

    /// How many children it keeps, or will keep when it wakes.
    pub(crate) fn target(&self) -> usize {
        self.asleep.unwrap_or(self.seats.len())
    }

    /// True if it keeps no child until somebody comes.
    pub(crate) fn is_asleep(&self) -> bool {
        self.asleep.is_some()
    }

    /// What every child should be of.
    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    /// The generation that a roll under way brings.
    pub(crate) fn rolling(&self) -> Option<u64> {
        self.roll.as_ref().map(|_| self.generation)
    }

    /// True if children to come shall take no work.
    pub(crate) fn is_paused(&self) -> bool {
        self.paused
    }

    /// True when every seat holds a ready child.
    pub(crate) fn is_full(&self) -> bool {
        let ready = |seat: &Seat| seat.current.as_ref().is_some_and(Child::is_ready);
        !self.stopping && self.seats.iter().all(ready)
    }

    /// How many seats hold a ready child.
    pub(crate) fn ready_seats(&self) -> usize {
        let ready = |seat: &&Seat| seat.current.as_ref().is_some_and(Child::is_ready);
        self.seats.iter().filter(ready).count()
    }

    /// Versions that may still be started: the one every child should be of, and the one that a roll would
    /// go back to.
    pub(crate) fn generations(&self) -> Vec<u64> {
        let from = self.roll.as_ref().map(|roll| roll.from);
        std::iter::once(self.generation).chain(from).collect()
    }

    // === inside ===

    /// A child has left its seat and is asked to finish.
    fn send_off(&mut self, mut child: Child, cause: Cause, now: Instant) {
        // One that is being killed keeps its cause.
        let cause = child.cause.unwrap_or(cause);
        child.drain(cause, now);
        let (pid, wake) = (child.pid, child.paused);
        self.actions.push(Action::Terminate { pid, wake });
        self.draining.push(child);
    }
}

#[cfg(test)]
mod tests;
