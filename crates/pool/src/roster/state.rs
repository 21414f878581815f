//! A roster on its way from one program to the next (an upgrade of the pool itself): numbers and ages.

use std::time::{Duration, Instant};

use rustix::process::Pid;
use serde::{Deserialize, Serialize};

use super::backoff::Backoff;
use super::roll::Roll;
use super::seat::Seat;
use super::{Cause, Child, Phase, Policy, Roster};

/// A roll that somebody asked for; JSON has one `null` alone.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Wanted {
    command: Option<Vec<String>>,
}

/// All children of a pool, without clocks.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct State {
    generation: u64,
    newest: u64,
    seats: Vec<SeatState>,
    draining: Vec<ChildState>,
    roll: Option<RollState>,
    roll_wanted: Option<Wanted>,
    restoring: bool,
    paused: bool,
    /// Older programs never sleep.
    #[serde(default)]
    asleep: Option<usize>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct SeatState {
    current: Option<ChildState>,
    incoming: Option<ChildState>,
    replace: Option<Cause>,
    failures: u32,
    respawns: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct RollState {
    from: u64,
    failures: u32,
    age: Duration,
    trusted: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct ChildState {
    pid: i32,
    seat: usize,
    generation: u64,
    respawns: u64,
    age: Duration,
    phase: PhaseState,
    paused: bool,
    cause: Option<Cause>,
    killed: Option<Duration>,
}

/// A phase and for how long.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
enum PhaseState {
    Starting,
    Ready(Duration),
    Draining(Duration),
}

impl Roster {
    /// What the next program must know.
    pub(crate) fn state(&self, now: Instant) -> State {
        let child = |child: &Child| ChildState::of(child, now);
        let seat = |seat: &Seat| SeatState {
            current: seat.current.as_ref().map(child),
            incoming: seat.incoming.as_ref().map(child),
            replace: seat.replace,
            failures: seat.backoff.failures,
            respawns: seat.respawns,
        };
        State {
            generation: self.generation,
            newest: self.newest,
            seats: self.seats.iter().map(seat).collect(),
            draining: self.draining.iter().map(child).collect(),
            roll: self.roll.as_ref().map(|roll| RollState {
                from: roll.from,
                failures: roll.backoff.failures,
                age: now - roll.started,
                trusted: roll.trusted,
            }),
            roll_wanted: self.roll_wanted.clone().map(|command| Wanted { command }),
            restoring: self.restoring,
            paused: self.paused,
            asleep: self.asleep,
        }
    }

    /// The roster of the program before. `None` if no process has such a number.
    pub(crate) fn restore(policy: Policy, state: State, now: Instant) -> Option<Self> {
        let mut roster = Self::new(policy);
        let backoff = |failures| Backoff {
            failures,
            not_before: None,
        };
        let child = |child: Option<ChildState>| match child {
            None => Some(None),
            Some(child) => child.revive(now).map(Some),
        };
        roster.seats = state
            .seats
            .into_iter()
            .map(|seat| {
                Some(Seat {
                    current: child(seat.current)?,
                    incoming: child(seat.incoming)?,
                    replace: seat.replace,
                    backoff: backoff(seat.failures),
                    successor: Backoff::default(),
                    respawns: seat.respawns,
                })
            })
            .collect::<Option<_>>()?;
        roster.draining = state
            .draining
            .into_iter()
            .map(|child| child.revive(now))
            .collect::<Option<_>>()?;
        roster.generation = state.generation;
        roster.newest = state.newest;
        roster.roll = state.roll.map(|roll| Roll {
            from: roll.from,
            backoff: backoff(roll.failures),
            started: before(now, roll.age),
            trusted: roll.trusted,
        });
        roster.roll_wanted = state.roll_wanted.map(|wanted| wanted.command);
        roster.restoring = state.restoring;
        roster.paused = state.paused;
        roster.asleep = state.asleep;
        Some(roster)
    }
}

impl ChildState {
    fn of(child: &Child, now: Instant) -> Self {
        Self {
            pid: child.pid.as_raw_nonzero().get(),
            seat: child.seat,
            generation: child.generation,
            respawns: child.respawns,
            age: now - child.started,
            phase: match child.phase {
                Phase::Starting => PhaseState::Starting,
                Phase::Ready { since } => PhaseState::Ready(now - since),
                Phase::Draining { since } => PhaseState::Draining(now - since),
            },
            paused: child.paused,
            cause: child.cause,
            killed: child.killed.map(|killed| now - killed),
        }
    }

    fn revive(self, now: Instant) -> Option<Child> {
        let pid = Pid::from_raw(self.pid)?;
        let started = before(now, self.age);
        Some(Child {
            phase: match self.phase {
                PhaseState::Starting => Phase::Starting,
                PhaseState::Ready(age) => Phase::Ready {
                    since: before(now, age),
                },
                PhaseState::Draining(age) => Phase::Draining {
                    since: before(now, age),
                },
            },
            paused: self.paused,
            cause: self.cause,
            killed: self.killed.map(|age| before(now, age)),
            ..Child::new(pid, self.seat, self.generation, self.respawns, started)
        })
    }
}

/// So long ago, as far as the clock goes back.
fn before(now: Instant, age: Duration) -> Instant {
    now.checked_sub(age).unwrap_or(now)
}
