//! What a beat counts.

use jiff::Timestamp;
use kiuas_common::metrics::Metrics;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;

/// Upper bounds of the lateness, in seconds.
const LATENESS: [f64; 10] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0, 300.0];

/// A beat's metrics. Clones share them. Entries come from code, so their names are a bounded set.
#[derive(Debug, Clone)]
pub(crate) struct Measure {
    enqueued: Family<EntryLabel, Counter>,
    missed: Family<EntryLabel, Counter>,
    failed: Family<EntryLabel, Counter>,
    lateness: Histogram,
    leading: Gauge,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EntryLabel {
    entry: String,
}

impl Measure {
    pub(crate) fn new(metrics: &Metrics) -> Self {
        Self {
            enqueued: metrics.register(
                "beat_ticks_enqueued",
                "Ticks that this beat enqueued",
                Family::default(),
            ),
            missed: metrics.register(
                "beat_ticks_missed",
                "Ticks that were too late and given up by the entry's policy",
                Family::default(),
            ),
            failed: metrics.register(
                "beat_ticks_failed",
                "Ticks whose message could not be written",
                Family::default(),
            ),
            lateness: metrics.register(
                "beat_tick_lateness_seconds",
                "From the due time of a tick to its commit",
                Histogram::new(LATENESS),
            ),
            leading: metrics.register(
                "beat_leading",
                "1 if this beat leads, 0 if it follows",
                Gauge::default(),
            ),
        }
    }

    pub(crate) fn enqueued(&self, entry: &str, due: Timestamp) {
        self.enqueued.get_or_create(&label(entry)).inc();
        let late = Timestamp::now().duration_since(due).as_secs_f64();
        self.lateness.observe(late.max(0.0));
    }

    pub(crate) fn missed(&self, entry: &str, count: u64) {
        self.missed.get_or_create(&label(entry)).inc_by(count);
    }

    pub(crate) fn failed(&self, entry: &str) {
        self.failed.get_or_create(&label(entry)).inc();
    }

    pub(crate) fn leading(&self, leads: bool) {
        self.leading.set(leads.into());
    }
}

fn label(entry: &str) -> EntryLabel {
    EntryLabel {
        entry: entry.to_owned(),
    }
}
