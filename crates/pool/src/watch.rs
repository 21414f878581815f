//! The monitor: ten times a second it reads every child's scoreboard and memory, and says who is to be
//! recycled, who is stuck on what, and who must end.
//!
//! It decides nothing about seats: its verdicts are orders to the supervisor, as an operator's are. What it
//! reads it publishes as a [`Reading`], from which statistics, metrics and `ctl` are made.

mod changes;
mod condemned;
mod idle;
mod investigate;
mod known;
mod limits;
mod queues;
pub(crate) mod reading;
mod stuck;
pub(crate) mod symbols;
mod tally;
pub(crate) mod verdict;
pub(crate) mod words;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use kiuas_common::Shutdown;
use kiuas_common::scoreboard::{SlotView, Snapshot, ThreadView};
use rustix::process::Pid;
use tokio::sync::watch::{Receiver, Sender};

use changes::Changes;
use condemned::Condemned;
use idle::Idle;
pub(crate) use investigate::look;
use known::Known;
pub(crate) use limits::Limits;
use limits::Usage;
use queues::Queues;
pub(crate) use reading::{ChildReading, Reading};
pub(crate) use stuck::is_silent;
use symbols::Symbols;
pub(crate) use tally::Counters;
use tally::Tally;
use verdict::Verdict;

use crate::board::{Board, Boards};
use crate::chronicle::Chronicle;
use crate::command::{Command, Commander};
use crate::metrics::PoolMetrics;
use crate::roster::Cause;
use crate::scale::Load;
use crate::view::{ChildView, PoolView};

const TICK: Duration = Duration::from_millis(100);
/// Every so many ticks, what takes longer is read, and the load is told.
const SLOW_TICKS: u64 = 5;
/// Every so many ticks the mappings of one child are walked.
const MEMORY_TICKS: u64 = 20;
/// Pause between two warnings about accept queues.
const WARNINGS: Duration = Duration::from_secs(60);
/// So long before the deadline of what hangs the symbols of its program are read.
const PREPARATION: u64 = 3_000_000_000;

/// What the monitor works with.
#[derive(Debug)]
pub(crate) struct Watch {
    pub(crate) limits: Limits,
    pub(crate) boards: Boards,
    pub(crate) view: Receiver<Arc<PoolView>>,
    pub(crate) commander: Commander,
    pub(crate) metrics: PoolMetrics,
    pub(crate) symbols: Arc<Symbols>,
    pub(crate) chronicle: Chronicle,
    pub(crate) tasks: Shutdown,
    pub(crate) readings: Sender<Option<Arc<Reading>>>,
    /// Nothing for so long is worth an order.
    pub(crate) idle: Option<Duration>,
    /// Files that begin a roll when they change.
    pub(crate) roll_on_change: Vec<PathBuf>,
}

#[derive(Debug, Default)]
struct Memory {
    ticks: u64,
    children: HashMap<Pid, Known>,
    queues: Queues,
    /// When somebody was told of a queue that is nearly full.
    warned: Option<Instant>,
    tally: Arc<Tally>,
    idle: Idle,
    changes: Changes,
}

/// What is the same for all children at one tick.
#[derive(Debug, Clone, Copy)]
struct Round {
    is_slow: bool,
    /// Connections that wait, on all sockets.
    backlog: u32,
}

impl Watch {
    /// Watches until the pool is gone.
    pub(crate) async fn run(self) {
        let mut memory = Memory::default();
        // While the supervisor is there, so is its end of the channel.
        while self.view.has_changed().is_ok() {
            let wake = self.tick(&mut memory);
            tokio::time::sleep_until(wake.into()).await;
        }
    }

    /// One look at everything. Returns when to look again.
    fn tick(&self, memory: &mut Memory) -> Instant {
        let now = Instant::now();
        let view = Arc::clone(&self.view.borrow());
        let is_slow = memory.ticks.is_multiple_of(SLOW_TICKS);
        let walk_in = (memory.ticks.is_multiple_of(MEMORY_TICKS) && !view.children.is_empty())
            .then(|| {
                usize::try_from(memory.ticks / MEMORY_TICKS).unwrap_or(0) % view.children.len()
            });
        memory.ticks += 1;
        let queues = memory.queues.read(&view.sockets);
        let round = Round {
            is_slow,
            backlog: reading::backlog(&queues),
        };
        let mut tally = (*memory.tally).clone();
        for (pid, last) in self.boards.take_ended() {
            if let Some(known) = memory.children.remove(&pid) {
                tally.end(pid, known.seat, Counters::of(&last));
            }
        }
        let mut children = Vec::with_capacity(view.children.len());
        let mut wake = now + TICK;
        for child in &view.children {
            let Some(board) = self.boards.get(child.pid) else {
                continue;
            };
            let known = memory
                .children
                .entry(child.pid)
                .or_insert_with(|| Known::new(child.seat, self.limits.draw(rand::random())));
            let snapshot = board.scoreboard().snapshot();
            tally.add(child.pid, child.seat, Counters::of(&snapshot));
            // The first time soon, and then one child after the other.
            if (is_slow && known.slow.memory.is_none()) || walk_in == Some(children.len()) {
                known.measure_memory(child.pid.as_raw_nonzero().get());
            }
            let reading = self.judge(child, &board, known, snapshot, round, &mut tally);
            if let Some(deadline) = stuck::next(&reading.snapshot) {
                let left = Duration::from_nanos(deadline.saturating_sub(reading.snapshot.taken_at));
                wake = wake.min(now + left);
            }
            children.push(reading);
        }
        let alive = |pid: &Pid, _: &mut Known| view.children.iter().any(|child| child.pid == *pid);
        memory.children.retain(alive);
        memory.tally = Arc::new(tally);
        let reading = Reading {
            at: now,
            queues,
            tally: Arc::clone(&memory.tally),
            rate: children.iter().map(|child| child.slow.rate).sum(),
            busy: busy(&children),
            children,
            view,
        };
        if is_slow {
            self.look_at_queues(&reading, &mut memory.warned);
            self.tell_load(&reading);
            self.look_at_files(&mut memory.changes);
            self.boards.forget_old_kills();
            self.symbols.forget_unused();
        }
        self.look_for_work(&mut memory.idle, &reading, is_slow);
        self.readings.send_replace(Some(Arc::new(reading)));
        wake
    }

    /// One child: what is wrong with it, and what is done about it.
    fn judge(
        &self,
        child: &ChildView,
        board: &Arc<Board>,
        known: &mut Known,
        snapshot: Snapshot,
        round: Round,
        tally: &mut Tally,
    ) -> ChildReading {
        let now = Instant::now();
        let pid = child.pid.as_raw_nonzero().get();
        if round.is_slow {
            known.measure(pid, &snapshot, now);
        }
        known.note_silences(pid, &snapshot);
        let usage = Usage {
            requests: snapshot.requests(),
            panics: snapshot.sum(|thread| thread.panics),
            virtual_size: known.slow.virtual_size,
            memory: known.slow.memory,
            resident: board
                .resident()
                .unwrap_or(0)
                .saturating_add(known.slow.family),
            files: known.slow.files,
            cpu: known.slow.cpu,
        };
        if child.killed.is_none() {
            self.prepare(pid, &snapshot);
            if let Some((thread, slot)) = stuck::stuck(&snapshot) {
                let is_ended = round.backlog >= self.limits.stuck_backlog;
                self.stuck(board, known, &snapshot, (thread, slot), is_ended);
                // Once condemned, it is counted no more.
                if is_ended && known.condemned.is_none_or(|it| it.cause != Cause::Stuck) {
                    tally.stuck_in(known.seat);
                    self.condemn(child.pid, known, Cause::Stuck, now);
                }
            }
            self.report_pending(pid, known, &snapshot);
            if let Some(cause) = self.limits.must_end(&usage) {
                self.condemn(child.pid, known, cause, now);
            }
            if let Some(cause) = self.limits.should_go(child, &known.drawn, &usage, now) {
                self.replace(child.pid, known, cause);
            }
            self.execute(child, known, &snapshot, now);
        }
        ChildReading {
            child: child.clone(),
            resident: usage.resident,
            slow: known.slow,
            limits: known.drawn,
            stuck: stuck::stuck(&snapshot).and(known.verdict),
            snapshot,
        }
    }

    /// Reads the symbols of a program that will have to be named soon.
    fn prepare(&self, pid: i32, snapshot: &Snapshot) {
        let soon = snapshot.taken_at.saturating_add(PREPARATION);
        if snapshot.has_stack_handler && stuck::suspected(snapshot).is_some_and(|at| at <= soon) {
            self.symbols.prepare(pid);
        }
    }

    fn stuck(
        &self,
        board: &Arc<Board>,
        known: &mut Known,
        snapshot: &Snapshot,
        (thread, slot): (&ThreadView, &SlotView),
        is_ended: bool,
    ) {
        let Some(done) = known.look_into(slot.index, slot.started) else {
            return;
        };
        let silence = known.silence(thread.tid);
        let kernel =
            crate::proc::thread::ThreadState::of(board.pid.as_raw_nonzero().get(), thread.tid);
        let share = silence.and_then(|it| it.share(kernel.cpu, snapshot.taken_at));
        let verdict = Verdict::of_thread(&kernel, share);
        known.verdict = Some(verdict);
        self.metrics.stuck(verdict);
        self.chronicle.note(format!(
            "process {} is stuck in `{}` on {}",
            board.pid.as_raw_nonzero(),
            slot.label,
            verdict.in_words()
        ));
        let (board, slot, thread) = (Arc::clone(board), slot.clone(), thread.clone());
        let (symbols, has_handler) = (Arc::clone(&self.symbols), snapshot.has_stack_handler);
        self.tasks.spawn(async move {
            let _done = Done(done);
            let place = (thread.index, thread.tid);
            let findings = look(Arc::clone(&board), symbols, place, has_handler).await;
            investigate::report(&board, &slot, &thread, (verdict, is_ended), &findings);
        });
    }

    fn report_pending(&self, pid: i32, known: &mut Known, snapshot: &Snapshot) {
        for slot in stuck::pending(snapshot) {
            if known.report_once(slot.index, slot.started) {
                self.metrics.stuck(Verdict::PendingFuture);
                investigate::report_pending(pid, slot, snapshot.taken_at);
            }
        }
    }

    /// The child shall end: its successor is asked for now.
    fn condemn(&self, pid: Pid, known: &mut Known, cause: Cause, now: Instant) {
        if known
            .condemned
            .is_none_or(|old| old.cause != cause && cause == Cause::Stuck)
        {
            known.condemned = Some(Condemned::now(cause, now));
        }
        self.replace(pid, known, cause);
    }

    fn replace(&self, pid: Pid, known: &mut Known, cause: Cause) {
        let is_news = match known.asked {
            None => true,
            Some(before) => before != cause && matches!(cause, Cause::Stuck | Cause::RssHard),
        };
        // An order that was not taken is given again at the next tick.
        if is_news && self.commander.tell(Command::Replace { pid, cause }).is_ok() {
            known.asked = Some(cause);
        }
    }

    fn execute(&self, child: &ChildView, known: &mut Known, snapshot: &Snapshot, now: Instant) {
        let looked = known.is_looked_into();
        let Some(condemned) = &mut known.condemned else {
            return;
        };
        if looked && condemned.is_due(child.phase, snapshot, self.limits.hard_grace, now) {
            let (pid, cause) = (child.pid, condemned.cause);
            condemned.executed = self.commander.tell(Command::Kill { pid, cause }).is_ok();
        }
    }

    /// Connections that find their queue full are refused or tried again much later: that must not be
    /// found out from visitors.
    fn look_at_queues(&self, reading: &Reading, warned: &mut Option<Instant>) {
        let full = reading.queues.iter().find(|queue| queue.is_nearly_full());
        let Some((queue, depth)) = full.and_then(|queue| Some((queue, queue.depth?))) else {
            return;
        };
        if warned.is_some_and(|last| reading.at - last < WARNINGS) {
            return;
        }
        *warned = Some(reading.at);
        let text = format!(
            "{} of {} connections wait in the accept queue of {}: children are too few, too slow, or paused",
            depth.waiting, depth.limit, queue.address
        );
        tracing::warn!(
            socket = queue.name,
            waiting = depth.waiting,
            limit = depth.limit,
            "{text}"
        );
        self.chronicle.note(text.clone());
        // The log has it, whatever comes of it.
        drop(self.commander.tell(Command::Alarm(text)));
    }

    fn tell_load(&self, reading: &Reading) {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a percentage: 0 to 100"
        )]
        let busy = (reading.busy.clamp(0.0, 1.0) * 100.0) as u8;
        let backlog = reading.backlog();
        // One that is not taken is followed by the next.
        drop(self.commander.tell(Command::Load(Load { busy, backlog })));
    }
}

/// Says that a look is over, whatever came of it.
struct Done(Arc<AtomicBool>);

impl Drop for Done {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// The average over the children that serve.
fn busy(children: &[ChildReading]) -> f64 {
    let serving = |child: &&ChildReading| {
        matches!(child.child.phase, crate::roster::Phase::Ready { .. }) && child.snapshot.is_written
    };
    let shares: Vec<f64> = children
        .iter()
        .filter(serving)
        .map(|child| child.slow.busy)
        .collect();
    if shares.is_empty() {
        return 0.0;
    }
    shares.iter().sum::<f64>() / known::as_f64(shares.len() as u64)
}

#[cfg(test)]
mod boards;
