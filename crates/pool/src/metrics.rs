//! What the pool counts.

mod readings;

use std::sync::atomic::AtomicU64;

use kiuas_common::metrics::Metrics;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

pub(crate) use readings::ReadingCollector;

use crate::roster::{Count, RollEvent};
use crate::watch::verdict::Verdict;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct State {
    state: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StuckOn {
    verdict: &'static str,
}

/// Reason label of a start that the operating system refused.
pub(crate) const SPAWN_FAILED: &str = "spawn_failed";

/// The metrics of a pool.
#[derive(Debug, Clone)]
pub(crate) struct PoolMetrics {
    children: Family<State, Gauge>,
    ends: Family<Reason, Counter>,
    starts: Counter,
    rolls: Counter,
    roll_failures: Counter,
    roll_duration: Gauge<f64, AtomicU64>,
    stuck: Family<StuckOn, Counter>,
}

impl PoolMetrics {
    pub(crate) fn new(metrics: &Metrics) -> Self {
        Self {
            children: metrics.register("pool_children", "Children by state", Family::default()),
            ends: metrics.register(
                "pool_ends",
                "Children that ended or could not be started, by reason",
                Family::default(),
            ),
            starts: metrics.register("pool_starts", "Children started", Counter::default()),
            rolls: metrics.register("pool_rolls", "Rolls completed", Counter::default()),
            roll_failures: metrics.register(
                "pool_roll_failures",
                "Rolls given up because new children did not become ready",
                Counter::default(),
            ),
            roll_duration: metrics.register(
                "pool_roll_duration_seconds",
                "How long the last roll took that was completed",
                Gauge::default(),
            ),
            stuck: metrics.register(
                "pool_stuck",
                "Requests and tasks beyond their hard deadline, by what they hang on",
                Family::default(),
            ),
        }
    }

    pub(crate) fn stuck(&self, verdict: Verdict) {
        let verdict = verdict.label();
        self.stuck.get_or_create(&StuckOn { verdict }).inc();
    }

    pub(crate) fn count(&self, count: Count) {
        let states = [
            ("starting", count.starting),
            ("ready", count.ready),
            ("draining", count.draining),
        ];
        for (state, number) in states {
            self.children
                .get_or_create(&State { state })
                .set(i64::try_from(number).unwrap_or(i64::MAX));
        }
    }

    pub(crate) fn started(&self) {
        self.starts.inc();
    }

    pub(crate) fn ended(&self, reason: &'static str) {
        self.ends.get_or_create(&Reason { reason }).inc();
    }

    pub(crate) fn rolled(&self, event: &RollEvent) {
        match event {
            RollEvent::Done { took, .. } => {
                self.rolls.inc();
                self.roll_duration.set(took.as_secs_f64());
            }
            RollEvent::GivenUp { .. } => drop(self.roll_failures.inc()),
            RollEvent::Began { .. } | RollEvent::Retry { .. } | RollEvent::Restored { .. } => {}
        }
    }
}
