//! What the monitor remembers of one child between two ticks.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use kiuas_common::scoreboard::Snapshot;

use super::condemned::Condemned;
use super::limits::Drawn;
use super::reading::Slow;
use super::stuck;
use super::tally::Counters;
use super::verdict::{Silence, Verdict};
use crate::proc::family::Family;
use crate::proc::files;
use crate::proc::rollup::Rollup;
use crate::proc::stat::Stat;
use crate::proc::thread::ThreadState;
use crate::roster::Cause;

/// Overdue requests that have been reported already, at most.
const MOST_REPORTED: usize = 1024;
/// How much the newest span weighs in figures that are averaged over some spans.
const NEWEST: f64 = 0.5;

/// One child.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) seat: usize,
    pub(crate) drawn: Drawn,
    pub(crate) slow: Slow,
    /// Why its successor was asked for.
    pub(crate) asked: Option<Cause>,
    pub(crate) condemned: Option<Condemned>,
    /// The last verdict on a thread of it.
    pub(crate) verdict: Option<Verdict>,
    /// The request that was looked into last: its place and when it began.
    looked_into: Option<(usize, u64)>,
    /// Set when its stack has been taken and named; a process that is gone has none.
    looked: Arc<AtomicBool>,
    silences: HashMap<i32, Silence>,
    reported: Vec<(usize, u64)>,
    base: Option<Sample>,
}

/// Where the last span began.
#[derive(Debug, Clone, Copy)]
struct Sample {
    at: Instant,
    loops: u64,
    cpu: Duration,
    counters: Counters,
}

impl Known {
    pub(crate) fn new(seat: usize, drawn: Drawn) -> Self {
        Self {
            seat,
            drawn,
            slow: Slow::default(),
            asked: None,
            condemned: None,
            verdict: None,
            looked_into: None,
            looked: Arc::new(AtomicBool::new(true)),
            silences: HashMap::new(),
            reported: Vec::new(),
            base: None,
        }
    }

    /// Remembers when each silent thread was first seen silent, and what it had used until then.
    pub(crate) fn note_silences(&mut self, pid: i32, snapshot: &Snapshot) {
        let silent: Vec<i32> = stuck::silent(snapshot)
            .map(|(thread, _)| thread.tid)
            .collect();
        self.silences.retain(|tid, _| silent.contains(tid));
        for tid in silent {
            self.silences.entry(tid).or_insert_with(|| Silence {
                since: snapshot.taken_at,
                cpu: ThreadState::of(pid, tid).cpu,
            });
        }
    }

    /// What was remembered of a silent thread.
    pub(crate) fn silence(&self, tid: i32) -> Option<Silence> {
        self.silences.get(&tid).copied()
    }

    /// True, once, for a request that is to be looked into. The result of the look sets the flag.
    pub(crate) fn look_into(&mut self, slot: usize, started: u64) -> Option<Arc<AtomicBool>> {
        if self.looked_into == Some((slot, started)) {
            return None;
        }
        self.looked_into = Some((slot, started));
        self.looked = Arc::new(AtomicBool::new(false));
        Some(Arc::clone(&self.looked))
    }

    /// False while its stack is being taken and named.
    pub(crate) fn is_looked_into(&self) -> bool {
        self.looked.load(Ordering::Acquire)
    }

    /// True, once, for an overdue request.
    pub(crate) fn report_once(&mut self, slot: usize, started: u64) -> bool {
        let news = !self.reported.contains(&(slot, started));
        if news {
            if self.reported.len() >= MOST_REPORTED {
                self.reported.clear();
            }
            self.reported.push((slot, started));
        }
        news
    }

    /// Walks the process's mappings: takes longer than all the rest.
    pub(crate) fn measure_memory(&mut self, pid: i32) {
        self.slow.memory = Rollup::of(pid);
    }

    /// What is read once in a while.
    pub(crate) fn measure(&mut self, pid: i32, snapshot: &Snapshot, now: Instant) {
        let stat = Stat::of(pid);
        // One of ours starts no processes for its work, and is read without them.
        let family = if snapshot.is_written {
            Family::default()
        } else {
            Family::of(pid)
        };
        self.slow.family = family.resident;
        let cpu = stat.map_or(self.slow.cpu, |stat| stat.cpu + family.cpu);
        let sample = Sample {
            at: now,
            loops: snapshot.sum(|thread| thread.loop_busy),
            cpu,
            counters: Counters::of(snapshot),
        };
        self.slow.cpu = cpu;
        self.slow.virtual_size = stat.map_or(self.slow.virtual_size, |stat| stat.virtual_size);
        self.slow.files = files::count(pid);
        if let Some(base) = self.base.replace(sample) {
            self.compare(&base, &sample, snapshot);
        }
    }

    fn compare(&mut self, base: &Sample, sample: &Sample, snapshot: &Snapshot) {
        let span = sample.at.saturating_duration_since(base.at).as_secs_f64();
        if span <= 0.0 {
            return;
        }
        let counted = sample.counters.since(&base.counters);
        let silent = |thread: &&_| stuck::is_silent(thread, snapshot.taken_at);
        let silent = count(snapshot.threads.iter().filter(silent).count());
        let threads = count(snapshot.threads.len());
        let loops = Duration::from_nanos(sample.loops.saturating_sub(base.loops)).as_secs_f64();
        // A loop that is stuck tells nothing of its own, and is as busy as can be.
        let busy = if threads > 0.0 {
            (loops / span + silent) / threads
        } else {
            0.0
        };
        let smooth = |old: f64, new: f64| old * (1.0 - NEWEST) + new * NEWEST;
        let slow = &mut self.slow;
        slow.busy = smooth(slow.busy, busy.clamp(0.0, 1.0));
        let cpu = sample.cpu.saturating_sub(base.cpu).as_secs_f64();
        slow.cpu_share = smooth(slow.cpu_share, cpu / span);
        slow.rate = smooth(slow.rate, as_f64(counted.requests) / span);
        if let Some(average) = counted.handling.checked_div(counted.ended()) {
            slow.latency = Some(Duration::from_nanos(average));
        }
    }
}

fn count(number: usize) -> f64 {
    as_f64(u64::try_from(number).unwrap_or(u64::MAX))
}

/// Figures for people: a rounding error does not matter.
#[expect(clippy::cast_precision_loss, reason = "figures for people")]
pub(crate) fn as_f64(number: u64) -> f64 {
    number as f64
}
