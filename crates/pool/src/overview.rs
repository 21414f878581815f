//! What `ctl status` and `ctl top` show of a pool.

pub(crate) mod text;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use kiuas_common::scoreboard::{Kind, QUEUE_TIME_BOUNDS, SlotView, State};

use crate::chronicle::{Chronicle, Event};
use crate::roster::Phase;
use crate::watch::reading::QueueReading;
use crate::watch::verdict::Verdict;
use crate::watch::{ChildReading, Limits, Reading};

/// More are counted and not named.
const MOST_RUNNING: usize = 200;

/// A pool. Times are milliseconds, sizes bytes.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Overview {
    /// Its name.
    pub(crate) name: String,
    /// The version of `kiuas-pool`.
    pub(crate) version: String,
    /// The process of the pool itself.
    pub(crate) pid: u32,
    /// How long it has run.
    pub(crate) uptime: u64,
    /// Program and arguments of the newest children.
    pub(crate) command: Vec<String>,
    /// The generation that every child should be of.
    pub(crate) generation: u64,
    /// The generation that a roll under way brings.
    pub(crate) rolling: Option<u64>,
    /// How many children it keeps.
    pub(crate) target: usize,
    /// Nobody takes new work.
    pub(crate) paused: bool,
    /// It keeps no child until somebody comes.
    #[serde(default)]
    pub(crate) asleep: bool,
    /// It ends.
    pub(crate) stopping: bool,
    /// Requests or tasks a second.
    pub(crate) rate: f64,
    /// Average busy share of the event loops, 0 to 1.
    pub(crate) busy: f64,
    /// Since the pool was started, children that have ended included.
    pub(crate) totals: Totals,
    /// The listening sockets.
    pub(crate) queues: Vec<Queue>,
    /// Every child that lives.
    pub(crate) processes: Vec<Process>,
    /// What runs, the oldest first; at most 200.
    pub(crate) running: Vec<Running>,
    /// How much runs.
    pub(crate) in_flight: usize,
    /// The last events, the newest last.
    pub(crate) events: Vec<Event>,
}

/// Sums over all children that ever lived.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Totals {
    pub(crate) requests: u64,
    /// 1xx to 5xx.
    pub(crate) answers: [u64; 5],
    pub(crate) soft_timeouts: u64,
    pub(crate) panics: u64,
    /// Not begun: waited too long, nobody waited any more, too many at once.
    pub(crate) refused: [u64; 3],
    /// Children that were ended because a thread hung.
    pub(crate) stuck: u64,
    /// Children that ended, by the cause: the labels of `kiuas_pool_ends_total`.
    pub(crate) ends: BTreeMap<String, u64>,
    /// Upper bound of the class that the median of the waits before a request lies in.
    pub(crate) queue_time_p50: Option<u64>,
    /// The same for the 99th percentile.
    pub(crate) queue_time_p99: Option<u64>,
}

/// A listening socket.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Queue {
    pub(crate) name: String,
    pub(crate) address: String,
    /// Connections that wait to be accepted; `None` where the kernel does not say.
    pub(crate) waiting: Option<u32>,
    pub(crate) limit: Option<u32>,
    /// The most that were seen waiting.
    pub(crate) highest: u32,
    /// How often it was seen full.
    pub(crate) full: u64,
}

/// A child.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Process {
    pub(crate) pid: i32,
    pub(crate) seat: usize,
    pub(crate) generation: u64,
    /// `starting`, `ready`, `paused`, `draining`, `killed` or `stuck`.
    pub(crate) state: String,
    /// Why it is to end, or its successor on its way.
    pub(crate) cause: Option<String>,
    pub(crate) age: u64,
    /// It writes a scoreboard. Without, what follows up to `silence` is empty.
    pub(crate) has_board: bool,
    pub(crate) requests: u64,
    /// Where it will be recycled.
    pub(crate) max_requests: Option<u64>,
    pub(crate) in_flight: u64,
    pub(crate) connections: u64,
    pub(crate) rate: f64,
    /// Average time of the last that ended, microseconds.
    pub(crate) latency: Option<u64>,
    pub(crate) busy: f64,
    /// Since the last sign of the thread that has been silent for longest.
    pub(crate) silence: u64,
    pub(crate) resident: u64,
    /// Proportional set size: of memory that several processes share its part only. Read now and then;
    /// `None` before that, and where the kernel does not say.
    pub(crate) proportional: Option<u64>,
    pub(crate) memory_limit: Option<u64>,
    /// Share of one processor.
    pub(crate) cpu_share: f64,
    pub(crate) cpu: u64,
    pub(crate) files: Option<u64>,
    pub(crate) max_lifetime: Option<u64>,
    pub(crate) respawns: u64,
    /// How the child before it in its seat ended.
    pub(crate) last_end: Option<String>,
    /// What a thread hangs on beyond a hard deadline.
    pub(crate) stuck: Option<Verdict>,
}

/// A request or task under way.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Running {
    pub(crate) pid: i32,
    /// The thread that began it.
    pub(crate) tid: Option<i32>,
    /// `request`, `websocket`, `stream` or `task`.
    pub(crate) kind: String,
    /// Method and path, or the task's name.
    pub(crate) label: String,
    pub(crate) id: String,
    pub(crate) trace_id: String,
    pub(crate) age: u64,
    /// How long it is being polled without a pause; `None` while it waits.
    pub(crate) polled: Option<u64>,
    /// Its thread gives no sign of life.
    pub(crate) silent: bool,
}

impl Overview {
    /// Of a pool at one tick.
    pub(crate) fn of(reading: &Reading, limits: &Limits, about: &About) -> Self {
        let view = &reading.view;
        let mut running: Vec<Running> = reading.children.iter().flat_map(Running::all).collect();
        let in_flight = running.len();
        running.sort_by_key(|one| std::cmp::Reverse(one.age));
        running.truncate(MOST_RUNNING);
        Self {
            name: view.name.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            uptime: millis(about.started.elapsed()),
            command: view.command.clone(),
            generation: view.generation,
            rolling: view.rolling,
            target: view.target,
            paused: view.paused,
            asleep: view.asleep,
            stopping: view.stopping,
            rate: reading.rate,
            busy: reading.busy,
            totals: Totals::of(reading, about),
            queues: reading.queues.iter().map(Queue::from).collect(),
            processes: reading
                .children
                .iter()
                .map(|child| Process {
                    last_end: about.chronicle.last_end(child.child.seat),
                    ..Process::of(child, limits, reading)
                })
                .collect(),
            running,
            in_flight,
            events: about.chronicle.events(),
        }
    }
}

/// What a reading does not say.
#[derive(Debug, Clone)]
pub(crate) struct About {
    /// When the pool was started.
    pub(crate) started: std::time::Instant,
    /// What has happened.
    pub(crate) chronicle: Chronicle,
}

impl Totals {
    fn of(reading: &Reading, about: &About) -> Self {
        let total = &reading.tally.total;
        Self {
            requests: total.requests,
            answers: total.answers,
            soft_timeouts: total.soft_timeouts,
            panics: total.panics,
            refused: [
                total.refused_queue_time,
                total.refused_client_gone,
                total.refused_concurrency,
            ],
            stuck: reading.tally.stuck.values().sum(),
            ends: about.chronicle.ends(),
            queue_time_p50: quantile(&total.queue_times, 50),
            queue_time_p99: quantile(&total.queue_times, 99),
        }
    }
}

/// The upper bound of the class in which `percent` of all are reached; the last class has the bound of the
/// one before.
fn quantile(counts: &[u64], percent: u64) -> Option<u64> {
    let total = counts
        .iter()
        .fold(0_u64, |sum, count| sum.saturating_add(*count));
    let wanted = u128::from(total) * u128::from(percent);
    let mut sum = 0;
    let class = counts.iter().position(|count| {
        sum += u128::from(*count) * 100;
        *count > 0 && sum >= wanted
    })?;
    QUEUE_TIME_BOUNDS
        .get(class)
        .or(QUEUE_TIME_BOUNDS.last())
        .copied()
}

impl From<&QueueReading> for Queue {
    fn from(queue: &QueueReading) -> Self {
        Self {
            name: queue.name.clone(),
            address: queue.address.clone(),
            waiting: queue.depth.map(|depth| depth.waiting),
            limit: queue.depth.map(|depth| depth.limit),
            highest: queue.highest,
            full: queue.full,
        }
    }
}

impl Process {
    fn of(reading: &ChildReading, limits: &Limits, pool: &Reading) -> Self {
        let (child, snapshot, slow) = (&reading.child, &reading.snapshot, &reading.slow);
        Self {
            pid: reading.pid(),
            seat: child.seat,
            generation: child.generation,
            state: state(reading).to_owned(),
            cause: child.cause.map(|cause| cause.to_string()),
            age: millis(pool.at.saturating_duration_since(child.started)),
            has_board: snapshot.is_written,
            requests: snapshot.requests(),
            max_requests: reading.limits.max_requests,
            in_flight: snapshot.in_flight(),
            connections: snapshot.connections(),
            rate: slow.rate,
            latency: slow
                .latency
                .map(|it| u64::try_from(it.as_micros()).unwrap_or(u64::MAX)),
            busy: slow.busy,
            silence: millis(reading.silence()),
            resident: reading.resident,
            proportional: slow.memory.map(|memory| memory.pss),
            memory_limit: limits.memory(),
            cpu_share: slow.cpu_share,
            cpu: millis(slow.cpu),
            files: slow.files,
            max_lifetime: reading.limits.max_lifetime.map(millis),
            respawns: child.respawns,
            last_end: None,
            stuck: reading.stuck,
        }
    }
}

fn state(reading: &ChildReading) -> &'static str {
    let child = &reading.child;
    if child.killed.is_some() {
        return "killed";
    }
    if reading.stuck.is_some() {
        return "stuck";
    }
    match child.phase {
        Phase::Starting => "starting",
        Phase::Draining { .. } => "draining",
        Phase::Ready { .. } if child.paused || reading.snapshot.state == State::Paused => "paused",
        Phase::Ready { .. } => "ready",
    }
}

impl Running {
    /// All that runs in a child.
    pub(crate) fn all(child: &ChildReading) -> Vec<Self> {
        child
            .snapshot
            .slots
            .iter()
            .map(|slot| Self::of(slot, child))
            .collect()
    }

    fn of(slot: &SlotView, child: &ChildReading) -> Self {
        let snapshot = &child.snapshot;
        let now = snapshot.taken_at;
        let thread = slot.thread.and_then(|index| snapshot.thread(index));
        let poll = thread.filter(|thread| thread.polled == Some(slot.index));
        let since = poll.and_then(|thread| thread.poll_since);
        // A task that no thread has in its hands waits for none.
        let waits_for_thread = slot.kind != Kind::Task || poll.is_some();
        let nanos = |from: u64| now.saturating_sub(from) / 1_000_000;
        Self {
            pid: child.pid(),
            tid: thread.map(|thread| thread.tid),
            kind: format!("{:?}", slot.kind).to_lowercase(),
            label: slot.label.clone(),
            id: slot.id.clone(),
            trace_id: slot.trace_id.clone(),
            age: nanos(slot.started),
            polled: since.map(nanos),
            silent: waits_for_thread
                && thread.is_some_and(|thread| crate::watch::is_silent(thread, now)),
        }
    }
}

/// Whole milliseconds.
pub(crate) fn millis(span: std::time::Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_the_bounds_of_their_classes() {
        let mut counts = [0; 16];
        assert_eq!(quantile(&counts, 50), None);
        counts[0] = 98;
        counts[6] = 2;
        assert_eq!(quantile(&counts, 50), Some(1));
        assert_eq!(quantile(&counts, 99), Some(100));
        counts[15] = u64::MAX;
        assert_eq!(quantile(&counts, 50), Some(60_000));
    }

    #[test]
    fn ages_and_sizes_read_well() {
        let ages = [0, 850, 12_400, 423_000, 18_720_000, 273_600_000].map(text::age);
        assert_eq!(ages, ["0ms", "850ms", "12.4s", "7m03s", "5h12m", "3d04h"]);
        let sizes = [0, 1023, 1536, 12 << 20, 200 << 20, u64::MAX].map(crate::watch::words::bytes);
        assert_eq!(
            sizes,
            [
                "0 B",
                "1023 B",
                "1.5 KiB",
                "12.0 MiB",
                "200 MiB",
                "16777215 TiB"
            ]
        );
    }
}
