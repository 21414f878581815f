//! What a worker counts.

use kiuas_common::metrics::Metrics;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};

/// The metrics of a worker. Clones count together.
#[derive(Debug, Clone)]
pub(crate) struct WorkerMetrics {
    tasks: Family<Ended, Counter>,
    duration: Family<Name, Histogram>,
    pub(crate) running: Gauge,
    pub(crate) claim_batch: Histogram,
    pub(crate) redelivered: Counter,
    pub(crate) fenced: Counter,
    pub(crate) restored: Counter,
    pub(crate) due: Counter,
    pub(crate) dead_letters: Counter,
    pub(crate) malformed: Counter,
    pub(crate) broker_errors: Counter,
    pub(crate) relayed: Counter,
}

/// A task of the registry (others are `unknown`) and how it ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Ended {
    task: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Name {
    task: &'static str,
}

/// From 1 ms to about 17 minutes.
fn durations() -> Histogram {
    Histogram::new(exponential_buckets(0.001, 4.0, 11))
}

impl WorkerMetrics {
    pub(crate) fn new(registry: &Metrics) -> Self {
        let counter =
            |name: &str, help: &str| registry.register(name, help, Counter::<u64>::default());
        Self {
            tasks: registry.register(
                "worker_tasks",
                "Ended runs by task and outcome",
                Family::default(),
            ),
            duration: registry.register(
                "worker_task_duration_seconds",
                "Time that a run took",
                Family::new_with_constructor(durations as fn() -> Histogram),
            ),
            running: registry.register(
                "worker_running_tasks",
                "Tasks that run now",
                Gauge::default(),
            ),
            claim_batch: registry.register(
                "worker_claim_batch_tasks",
                "Tasks that one claim brought",
                Histogram::new(exponential_buckets(1.0, 2.0, 9)),
            ),
            redelivered: counter(
                "worker_redelivered_tasks",
                "Runs of tasks that another run did not finish",
            ),
            fenced: counter(
                "worker_fenced_tasks",
                "Ends that were refused because somebody else had the task",
            ),
            restored: counter("worker_restored_tasks", "Tasks of dead workers given back"),
            due: counter("worker_due_tasks", "Waiting tasks whose time came"),
            dead_letters: counter(
                "worker_dead_letters",
                "Tasks given up, with the evidence kept",
            ),
            malformed: counter("worker_malformed_messages", "Messages that are no tasks"),
            broker_errors: counter("worker_broker_errors", "Commands that the broker failed"),
            relayed: counter(
                "outbox_relayed_messages",
                "Messages moved from the outbox to the broker",
            ),
        }
    }

    pub(crate) fn ended(&self, task: &'static str, outcome: &'static str, seconds: f64) {
        self.tasks.get_or_create(&Ended { task, outcome }).inc();
        self.duration.get_or_create(&Name { task }).observe(seconds);
    }
}
