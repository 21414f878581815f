//! What the operator and the monitor ask for.

use std::time::Instant;

use rustix::process::Pid;

use super::seat::Seat;
use super::{Action, Cause, Child, Roster};

/// More children than this are a typing mistake.
pub(super) const MOST_SEATS: usize = 1024;

impl Roster {
    /// Keeps `count` children from now on (1 to 1024): new seats are filled, surplus children asked to
    /// finish because of `cause`.
    pub(crate) fn resize(&mut self, count: usize, cause: Cause, now: Instant) {
        if self.stopping {
            return;
        }
        let count = count.clamp(1, MOST_SEATS);
        self.asleep = None;
        let mut leaving = Vec::new();
        for mut seat in self.seats.drain(count.min(self.seats.len())..) {
            leaving.extend(seat.take_all());
        }
        self.seats.resize_with(count, Seat::default);
        for child in leaving {
            self.send_off(child, cause, now);
        }
    }

    /// Asks every child to finish, and keeps none until [`Roster::wake`]. False if that must not be now.
    pub(crate) fn sleep(&mut self, now: Instant) -> bool {
        let busy = self.stopping || self.paused || self.roll.is_some() || self.restoring;
        if busy || self.roll_wanted.is_some() || self.is_asleep() || !self.is_full() {
            return false;
        }
        self.asleep = Some(self.seats.len());
        for mut seat in std::mem::take(&mut self.seats) {
            for child in seat.take_all() {
                self.send_off(child, Cause::Idle, now);
            }
        }
        true
    }

    /// Keeps as many children as before it slept. False if it did not sleep.
    pub(crate) fn wake(&mut self, now: Instant) -> bool {
        let Some(count) = self.asleep else {
            return false;
        };
        self.resize(count, Cause::Removed, now);
        true
    }

    /// Asks a child to finish and frees its seat at once. False if there is none such in a seat.
    pub(crate) fn terminate(&mut self, pid: Pid, cause: Cause, now: Instant) -> bool {
        let is_it = |child: &mut Child| child.pid == pid;
        let taken = self.seats.iter_mut().find_map(|seat| {
            seat.take_current_if(is_it)
                .or_else(|| seat.incoming.take_if(is_it))
        });
        match taken {
            Some(child) => {
                self.send_off(child, cause, now);
                true
            }
            None => false,
        }
    }

    /// Starts a successor of a child, and asks it to finish once that is ready. One that is not ready
    /// itself is asked at once. False if there is none such in a seat, or a successor is on its way.
    pub(crate) fn replace(&mut self, pid: Pid, cause: Cause, now: Instant) -> bool {
        let is_it = |child: &Child| child.pid == pid && child.killed.is_none();
        let seats = &mut self.seats;
        let Some(seat) = seats
            .iter_mut()
            .find(|seat| seat.current.as_ref().is_some_and(is_it))
        else {
            return false;
        };
        if seat.current.as_ref().is_some_and(Child::is_starting) {
            return self.terminate(pid, cause, now);
        }
        let news = seat.replace.is_none();
        // What is worse wins: a child that shall be recycled may turn out to be stuck.
        if news || cause == Cause::Stuck {
            seat.replace = Some(cause);
        }
        news
    }

    /// Kills a child now. False if there is none such, or it is being killed already.
    pub(crate) fn kill(&mut self, pid: Pid, cause: Cause, now: Instant) -> bool {
        let seated = self.seats.iter_mut().flat_map(Seat::children_mut);
        let mut all = seated.chain(&mut self.draining);
        let is_it = |child: &&mut Child| child.pid == pid && child.killed.is_none();
        match all.find(is_it) {
            Some(child) => {
                child.kill(cause, now, &mut self.actions);
                true
            }
            None => false,
        }
    }

    /// Lets everybody, those to come too, take no new work, or take it again.
    pub(crate) fn pause_all(&mut self, paused: bool) {
        self.paused = paused;
        for child in self.seats.iter_mut().flat_map(Seat::children_mut) {
            if child.is_ready() {
                set_paused(child, paused, &mut self.actions);
            }
        }
    }

    /// Lets one child take no new work, or take it again. False if it is none that serves.
    pub(crate) fn pause_one(&mut self, pid: Pid, paused: bool) -> bool {
        let mut seated = self.seats.iter_mut().flat_map(Seat::children_mut);
        let is_it = |child: &&mut Child| child.pid == pid && child.is_ready();
        match seated.find(is_it) {
            Some(child) => {
                set_paused(child, paused, &mut self.actions);
                true
            }
            None => false,
        }
    }

    /// Why a child is to be replaced, if it is.
    pub(crate) fn replaced_because(&self, pid: Pid) -> Option<Cause> {
        let is_it = |child: &Child| child.pid == pid;
        let mut seats = self.seats.iter();
        seats
            .find(|seat| seat.current.as_ref().is_some_and(is_it))
            .and_then(|seat| seat.replace)
    }
}

fn set_paused(child: &mut Child, paused: bool, actions: &mut Vec<Action>) {
    if child.paused != paused {
        child.paused = paused;
        actions.push(if paused {
            Action::Pause(child.pid)
        } else {
            Action::Resume(child.pid)
        });
    }
}
