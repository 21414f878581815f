//! Figures that every request changes. Each thread has its own cells, so that threads do not wait for each
//! other's caches; they are added up when somebody asks.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, ThreadId};
use std::time::Duration;

use parking_lot::Mutex;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

/// Upper bounds of the buckets in microseconds; one more holds the rest.
const BOUNDS: [u64; 14] = [
    500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    2_500_000, 5_000_000, 10_000_000,
];
/// Label values; what comes later is counted under [`OTHER`].
const MOST_LABELS: usize = 200;
const OTHER: &str = "other";
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// One thread's cells for one label. Only that thread writes them.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Cells {
    classes: [AtomicU64; CLASSES.len()],
    bytes: AtomicU64,
    buckets: [AtomicU64; BOUNDS.len() + 1],
    microseconds: AtomicU64,
}

impl Cells {
    /// A request that took so long.
    pub fn took(&self, duration: Duration) {
        let microseconds = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let bucket = BOUNDS.partition_point(|bound| *bound < microseconds);
        if let Some(bucket) = self.buckets.get(bucket) {
            add(bucket, 1);
        }
        add(&self.microseconds, microseconds);
    }

    /// It was answered like this.
    pub fn answered(&self, status: u16, bytes: u64) {
        let class = usize::from(status / 100).clamp(1, CLASSES.len()) - 1;
        if let Some(class) = self.classes.get(class) {
            add(class, 1);
        }
        add(&self.bytes, bytes);
    }
}

/// Of a cell that no other thread writes: without locking the memory bus.
fn add(cell: &AtomicU64, more: u64) {
    let sum = cell.load(Ordering::Relaxed).wrapping_add(more);
    cell.store(sum, Ordering::Relaxed);
}

#[derive(Debug)]
struct Entry {
    label: String,
    thread: ThreadId,
    cells: Arc<Cells>,
}

/// What is counted beside the durations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Classes of status and bytes, by site.
    Sites,
    /// Nothing else, by upstream.
    Upstreams,
}

/// All cells of one kind. Clones share them.
#[derive(Debug, Clone)]
pub struct Shards {
    kind: Kind,
    entries: Arc<Mutex<Vec<Entry>>>,
}

impl Shards {
    pub(super) fn new(kind: Kind) -> Self {
        Self {
            kind,
            entries: Arc::default(),
        }
    }

    /// This thread's cells for `label`; the same at every call.
    #[must_use]
    pub fn here(&self, label: &str) -> Arc<Cells> {
        let thread = thread::current().id();
        let mut entries = self.entries.lock();
        let find = |entries: &[Entry], label: &str| {
            entries
                .iter()
                .find(|entry| entry.thread == thread && entry.label == label)
                .map(|entry| Arc::clone(&entry.cells))
        };
        if let Some(cells) = find(&entries, label) {
            return cells;
        }
        let known = entries.iter().any(|entry| entry.label == label);
        let label = if known || labels(&entries).len() < MOST_LABELS {
            label
        } else {
            OTHER
        };
        find(&entries, label).unwrap_or_else(|| {
            let cells = Arc::new(Cells::default());
            entries.push(Entry {
                label: label.to_owned(),
                thread,
                cells: Arc::clone(&cells),
            });
            cells
        })
    }
}

fn labels(entries: &[Entry]) -> Vec<String> {
    let mut labels: Vec<String> = entries.iter().map(|entry| entry.label.clone()).collect();
    labels.sort_unstable();
    labels.dedup();
    labels
}

/// Added up over the threads.
#[derive(Debug, Default)]
struct Sum {
    classes: [u64; CLASSES.len()],
    bytes: u64,
    buckets: [u64; BOUNDS.len() + 1],
    microseconds: u64,
}

impl Sum {
    fn of(entries: &[Entry], label: &str) -> Self {
        let mut sum = Self::default();
        for entry in entries.iter().filter(|entry| entry.label == label) {
            let cells = &entry.cells;
            for (total, cell) in sum.classes.iter_mut().zip(&cells.classes) {
                *total += cell.load(Ordering::Relaxed);
            }
            for (total, cell) in sum.buckets.iter_mut().zip(&cells.buckets) {
                *total += cell.load(Ordering::Relaxed);
            }
            sum.bytes += cells.bytes.load(Ordering::Relaxed);
            sum.microseconds += cells.microseconds.load(Ordering::Relaxed);
        }
        sum
    }

    fn buckets(&self) -> Vec<(f64, u64)> {
        let bounds = BOUNDS
            .iter()
            .map(|bound| Duration::from_micros(*bound).as_secs_f64())
            .chain([f64::INFINITY]);
        bounds.zip(self.buckets).collect()
    }
}

impl Collector for Shards {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let sums: Vec<(String, Sum)> = {
            let entries = self.entries.lock();
            let all = labels(&entries).into_iter();
            all.map(|label| {
                let sum = Sum::of(&entries, &label);
                (label, sum)
            })
            .collect()
        };
        let (name, help, key) = match self.kind {
            Kind::Sites => (
                "proxy_request_duration_seconds",
                "From a request's head to the end of its answer, by site",
                "site",
            ),
            Kind::Upstreams => (
                "proxy_upstream_duration_seconds",
                "From a request's way to an application to the head of its answer",
                "upstream",
            ),
        };
        let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Histogram)?;
        for (label, sum) in &sums {
            let seconds = Duration::from_micros(sum.microseconds).as_secs_f64();
            let count = sum.buckets.iter().sum();
            metric
                .encode_family(&[(key, label.as_str())])?
                .encode_histogram::<NoLabelSet>(seconds, count, &sum.buckets(), None)?;
        }
        if self.kind == Kind::Sites {
            encode_sites(&mut encoder, &sums)?;
        }
        Ok(())
    }
}

fn encode_sites(
    encoder: &mut DescriptorEncoder<'_>,
    sums: &[(String, Sum)],
) -> Result<(), fmt::Error> {
    let help = "Answered requests by site and class of status";
    let mut metric =
        encoder.encode_descriptor("proxy_site_requests", help, None, MetricType::Counter)?;
    for (site, sum) in sums {
        for (class, count) in CLASSES.iter().zip(sum.classes) {
            metric
                .encode_family(&[("site", site.as_str()), ("class", *class)])?
                .encode_counter::<NoLabelSet, u64, u64>(&count, None)?;
        }
    }
    let help = "Bytes of answers' bodies by site";
    let mut metric =
        encoder.encode_descriptor("proxy_site_response_bytes", help, None, MetricType::Counter)?;
    for (site, sum) in sums {
        metric
            .encode_family(&[("site", site.as_str())])?
            .encode_counter::<NoLabelSet, u64, u64>(&sum.bytes, None)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use kiuas_common::metrics::Metrics;

    use super::*;

    #[test]
    fn threads_are_added_up_and_labels_bounded() {
        let metrics = Metrics::new();
        let shards = Shards::new(Kind::Sites);
        metrics.collect(Box::new(shards.clone()));
        let count = |shards: &Shards, label: &str| {
            let cells = shards.here(label);
            cells.took(Duration::from_millis(3));
            cells.answered(204, 10);
        };
        count(&shards, "a");
        count(&shards, "a");
        let other = shards.clone();
        std::thread::spawn(move || count(&other, "a"))
            .join()
            .expect("thread");
        for number in 0..300 {
            count(&shards, &format!("site-{number}"));
        }
        let text = metrics.encode().expect("metrics");
        assert!(
            text.contains("kiuas_proxy_site_requests_total{site=\"a\",class=\"2xx\"} 3"),
            "{text}"
        );
        assert!(
            text.contains("kiuas_proxy_site_response_bytes_total{site=\"a\"} 30"),
            "{text}"
        );
        assert!(
            text.contains("kiuas_proxy_request_duration_seconds_count{site=\"a\"} 3"),
            "{text}"
        );
        assert!(
            text.contains("kiuas_proxy_site_requests_total{site=\"other\",class=\"2xx\"} 101"),
            "{text}"
        );
        let zero = text
            .lines()
            .find(|line| line.contains("site=\"a\"") && line.contains("le=\"0.0025\""));
        let three = text
            .lines()
            .find(|line| line.contains("site=\"a\"") && line.contains("le=\"0.005\""));
        assert!(zero.is_some_and(|line| line.ends_with(" 0")), "{text}");
        assert!(three.is_some_and(|line| line.ends_with(" 3")), "{text}");
    }
}
