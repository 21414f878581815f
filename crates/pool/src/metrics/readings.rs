//! The metrics that are read off the monitor's last reading when somebody asks.

use std::fmt;
use std::sync::Arc;

use kiuas_common::scoreboard::QUEUE_TIME_BOUNDS;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use tokio::sync::watch::Receiver;

use crate::watch::{ChildReading, Counters, Reading};

/// Asks for the last reading.
#[derive(Debug)]
pub(crate) struct ReadingCollector(pub(crate) Receiver<Option<Arc<Reading>>>);

type Gauge = (&'static str, &'static str, fn(&Reading) -> f64);
type OfTotal = (&'static str, &'static str, fn(&Counters) -> u64);
type OfChild = (&'static str, &'static str, fn(&ChildReading) -> f64);
type Class = (&'static str, fn(&Counters) -> u64);

const GAUGES: [Gauge; 9] = [
    (
        "pool_requests_in_flight",
        "Requests and tasks that run now",
        |it| sum(it, |child| count(child.snapshot.slots.len())),
    ),
    (
        "pool_connections",
        "Open connections of all children",
        |it| sum(it, |child| number(child.snapshot.connections())),
    ),
    (
        "pool_busy_ratio",
        "Average busy share of the event loops of the children that serve",
        |it| it.busy,
    ),
    (
        "pool_loop_silence_seconds",
        "Since the last sign of the event loop that has been silent for longest",
        |it| {
            let longest = it
                .children
                .iter()
                .map(|child| child.silence().as_secs_f64());
            longest.fold(0.0, f64::max)
        },
    ),
    (
        "pool_generation",
        "The version that the newest children are of",
        |it| number(it.view.generation),
    ),
    ("pool_rolling", "1 while a roll is under way", |it| {
        f64::from(u8::from(it.view.rolling.is_some()))
    }),
    ("pool_paused", "1 while nobody takes new work", |it| {
        f64::from(u8::from(it.view.paused))
    }),
    (
        "pool_asleep",
        "1 while no child is kept until somebody comes",
        |it| f64::from(u8::from(it.view.asleep)),
    ),
    ("pool_children_target", "How many children are kept", |it| {
        count(it.view.target)
    }),
];

const TOTALS: [OfTotal; 4] = [
    ("pool_requests", "Requests and tasks begun", |it| {
        it.requests
    }),
    (
        "pool_soft_timeouts",
        "Requests and tasks that their process gave up at their soft deadline",
        |it| it.soft_timeouts,
    ),
    ("pool_panics", "Handlers and tasks that panicked", |it| {
        it.panics
    }),
    (
        "pool_untracked",
        "Requests and tasks that found no place on their process's scoreboard",
        |it| it.untracked,
    ),
];

const CLASSES: [Class; 5] = [
    ("1xx", |it| it.answers[0]),
    ("2xx", |it| it.answers[1]),
    ("3xx", |it| it.answers[2]),
    ("4xx", |it| it.answers[3]),
    ("5xx", |it| it.answers[4]),
];

const REFUSALS: [Class; 3] = [
    ("queue_time", |it| it.refused_queue_time),
    ("client_gone", |it| it.refused_client_gone),
    ("concurrency", |it| it.refused_concurrency),
];

/// By seat: a bounded set that outlives the processes.
const CHILDREN: [OfChild; 5] = [
    (
        "pool_child_resident_bytes",
        "Resident memory of the child in a seat",
        |it| number(it.resident),
    ),
    (
        "pool_child_proportional_bytes",
        "Resident memory of the child in a seat, of what is shared its part only (PSS)",
        |it| number(it.slow.memory.map_or(0, |memory| memory.pss)),
    ),
    (
        "pool_child_busy_ratio",
        "Busy share of the event loops of the child in a seat",
        |it| it.slow.busy,
    ),
    (
        "pool_child_cpu_seconds",
        "Processor time of the child in a seat, since it was started",
        |it| it.slow.cpu.as_secs_f64(),
    ),
    (
        "pool_child_open_files",
        "Open descriptors of the child in a seat",
        |it| number(it.slow.files.unwrap_or(0)),
    ),
];

impl Collector for ReadingCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let Some(reading) = self.0.borrow().clone() else {
            return Ok(());
        };
        let total = &reading.tally.total;
        for (name, help, read) in GAUGES {
            let metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            ConstGauge::new(read(&reading)).encode(metric)?;
        }
        for (name, help, read) in TOTALS {
            let metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            ConstCounter::new(read(total)).encode(metric)?;
        }
        let help = "Answers by class; of tasks: succeeded 2xx, to be tried again 3xx, failed 5xx";
        let answers = encoder.encode_descriptor("pool_answers", help, None, MetricType::Counter)?;
        classes(answers, "class", &CLASSES, total)?;
        let help = "Requests that were answered without a handler, by reason";
        let refused = encoder.encode_descriptor("pool_refused", help, None, MetricType::Counter)?;
        classes(refused, "reason", &REFUSALS, total)?;
        let help = "Time from the begin of requests and tasks to their answer or end, all added up";
        let handling =
            encoder.encode_descriptor("pool_handling_seconds", help, None, MetricType::Counter)?;
        let seconds = std::time::Duration::from_nanos(total.handling).as_secs_f64();
        ConstCounter::new(seconds).encode(handling)?;
        queue_time(&mut encoder, total)?;
        queues(&mut encoder, &reading)?;
        for (name, help, read) in CHILDREN {
            let metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            children(metric, &reading, read)?;
        }
        Ok(())
    }
}

fn classes(
    mut metric: MetricEncoder<'_>,
    key: &str,
    all: &[Class],
    total: &Counters,
) -> fmt::Result {
    for (label, read) in all {
        ConstCounter::new(read(total)).encode(metric.encode_family(&[(key, *label)])?)?;
    }
    Ok(())
}

fn queue_time(encoder: &mut DescriptorEncoder<'_>, total: &Counters) -> fmt::Result {
    let help = "How long requests waited before they were begun";
    let mut metric =
        encoder.encode_descriptor("pool_queue_time_seconds", help, None, MetricType::Histogram)?;
    #[expect(clippy::cast_precision_loss, reason = "bounds of at most a minute")]
    let bounds = QUEUE_TIME_BOUNDS.iter().map(|bound| *bound as f64 / 1000.0);
    let bounds = bounds.chain([f64::MAX]);
    let buckets: Vec<(f64, u64)> = bounds.zip(total.queue_times).collect();
    let seconds = std::time::Duration::from_nanos(total.queue_time_sum).as_secs_f64();
    let count = total
        .queue_times
        .iter()
        .fold(0_u64, |sum, it| sum.saturating_add(*it));
    metric.encode_histogram::<NoLabelSet>(seconds, count, &buckets, None)
}

fn queues(encoder: &mut DescriptorEncoder<'_>, reading: &Reading) -> fmt::Result {
    type OfQueue = (
        &'static str,
        &'static str,
        fn(&crate::watch::reading::QueueReading) -> u64,
    );
    const QUEUES: [OfQueue; 3] = [
        (
            "pool_queue_depth",
            "Connections that wait to be accepted",
            |it| it.depth.map_or(0, |depth| depth.waiting.into()),
        ),
        (
            "pool_queue_limit",
            "Connections that may wait to be accepted",
            |it| it.depth.map_or(0, |depth| depth.limit.into()),
        ),
        (
            "pool_queue_depth_max",
            "The most that were seen waiting to be accepted",
            |it| it.highest.into(),
        ),
    ];
    for (name, help, read) in QUEUES {
        let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for queue in &reading.queues {
            let labels = [("socket", queue.name.as_str())];
            ConstGauge::new(number(read(queue))).encode(metric.encode_family(&labels)?)?;
        }
    }
    let help = "How often the accept queue was seen full";
    let mut full = encoder.encode_descriptor("pool_queue_full", help, None, MetricType::Counter)?;
    for queue in &reading.queues {
        let labels = [("socket", queue.name.as_str())];
        ConstCounter::new(queue.full).encode(full.encode_family(&labels)?)?;
    }
    Ok(())
}

fn children(
    mut metric: MetricEncoder<'_>,
    reading: &Reading,
    read: fn(&ChildReading) -> f64,
) -> fmt::Result {
    let mut seats = std::collections::HashSet::new();
    for child in &reading.children {
        let is_draining = matches!(child.child.phase, crate::roster::Phase::Draining { .. });
        // A label may come once: during a roll the one that serves has it.
        if !is_draining && seats.insert(child.child.seat) {
            let seat = child.child.seat.to_string();
            let labels = [("seat", seat.as_str())];
            ConstGauge::new(read(child)).encode(metric.encode_family(&labels)?)?;
        }
    }
    Ok(())
}

fn sum(reading: &Reading, of: fn(&ChildReading) -> f64) -> f64 {
    reading.children.iter().map(of).sum()
}

#[expect(clippy::cast_precision_loss, reason = "figures of a monitor")]
fn number(value: u64) -> f64 {
    value as f64
}

fn count(value: usize) -> f64 {
    number(u64::try_from(value).unwrap_or(u64::MAX))
}
