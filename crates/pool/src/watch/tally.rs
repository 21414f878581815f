//! What children have counted, added up over all that ever lived: a child's own counters end with it.

use std::collections::HashMap;

use kiuas_common::scoreboard::Snapshot;
use rustix::process::Pid;

/// Counters of one child or of many.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counters {
    pub(crate) requests: u64,
    pub(crate) answers: [u64; 5],
    pub(crate) soft_timeouts: u64,
    pub(crate) panics: u64,
    /// Nanoseconds from begin to end, over all that ended.
    pub(crate) handling: u64,
    pub(crate) refused_queue_time: u64,
    pub(crate) refused_client_gone: u64,
    pub(crate) refused_concurrency: u64,
    pub(crate) untracked: u64,
    /// By class of `scoreboard::QUEUE_TIME_BOUNDS`.
    pub(crate) queue_times: [u64; 16],
    pub(crate) queue_time_sum: u64,
}

impl Counters {
    /// What a board says.
    pub(crate) fn of(snapshot: &Snapshot) -> Self {
        let refused = snapshot.refused();
        let queue_times = snapshot.queue_times();
        Self {
            requests: snapshot.requests(),
            answers: snapshot.answers(),
            soft_timeouts: snapshot.sum(|thread| thread.soft_timeouts),
            panics: snapshot.sum(|thread| thread.panics),
            handling: snapshot.sum(|thread| thread.handling),
            refused_queue_time: refused.queue_time,
            refused_client_gone: refused.client_gone,
            refused_concurrency: refused.concurrency,
            untracked: snapshot.untracked,
            queue_times: queue_times.counts,
            queue_time_sum: queue_times.sum,
        }
    }

    /// Answers and tasks that ended.
    pub(crate) fn ended(&self) -> u64 {
        self.answers
            .iter()
            .fold(0, |sum, class| sum.saturating_add(*class))
    }

    /// `operation` on every counter of two.
    fn each(&self, other: &Self, operation: fn(u64, u64) -> u64) -> Self {
        Self {
            requests: operation(self.requests, other.requests),
            answers: std::array::from_fn(|at| operation(self.answers[at], other.answers[at])),
            soft_timeouts: operation(self.soft_timeouts, other.soft_timeouts),
            panics: operation(self.panics, other.panics),
            handling: operation(self.handling, other.handling),
            refused_queue_time: operation(self.refused_queue_time, other.refused_queue_time),
            refused_client_gone: operation(self.refused_client_gone, other.refused_client_gone),
            refused_concurrency: operation(self.refused_concurrency, other.refused_concurrency),
            untracked: operation(self.untracked, other.untracked),
            queue_times: std::array::from_fn(|at| {
                operation(self.queue_times[at], other.queue_times[at])
            }),
            queue_time_sum: operation(self.queue_time_sum, other.queue_time_sum),
        }
    }

    /// What was counted since `before`. A counter that went back, on a board that somebody scribbled
    /// over, counts nothing.
    pub(crate) fn since(&self, before: &Self) -> Self {
        self.each(before, u64::saturating_sub)
    }

    pub(crate) fn plus(&self, more: &Self) -> Self {
        self.each(more, u64::saturating_add)
    }
}

/// The sums.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally {
    /// Of the whole pool.
    pub(crate) total: Counters,
    /// By seat.
    pub(crate) seats: HashMap<usize, Counters>,
    /// Children that were killed because a thread hung, by seat.
    pub(crate) stuck: HashMap<usize, u64>,
    last: HashMap<Pid, Counters>,
}

impl Tally {
    /// A living child in `seat` says so much.
    pub(crate) fn add(&mut self, pid: Pid, seat: usize, counters: Counters) {
        let last = self.last.entry(pid).or_default();
        let news = counters.since(last);
        // The last honest word stays where a counter went back.
        *last = last.plus(&news);
        self.total = self.total.plus(&news);
        let place = self.seats.entry(seat).or_default();
        *place = place.plus(&news);
    }

    /// A child has ended; these are its last counters.
    pub(crate) fn end(&mut self, pid: Pid, seat: usize, counters: Counters) {
        self.add(pid, seat, counters);
        self.last.remove(&pid);
    }

    /// A child in `seat` is killed because a thread of it hangs.
    pub(crate) fn stuck_in(&mut self, seat: usize) {
        *self.stuck.entry(seat).or_default() += 1;
    }

    /// What a living child has counted.
    pub(crate) fn of(&self, pid: Pid) -> Counters {
        self.last.get(&pid).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
