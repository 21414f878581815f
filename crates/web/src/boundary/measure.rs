//! Metrics of requests.

use std::sync::atomic::AtomicI64;
use std::time::Duration;

use actix_web::http::{Method, StatusCode};
use kiuas_common::metrics::Metrics;
use kiuas_common::scoreboard::QUEUE_TIME_BOUNDS;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;

/// Who keeps an answer from going on.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Side {
    /// Its body brings nothing more.
    Body,
    /// Its client takes nothing more.
    Client,
}

const SECONDS: [f64; 12] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0,
];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Answered {
    pub(super) method: &'static str,
    pub(super) status: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Refused {
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Stalled {
    side: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Routed {
    // A pattern from the application's source, never a path from outside.
    route: String,
}

/// Counters of a process; every thread has a clone.
#[derive(Debug, Clone)]
pub(crate) struct Measures {
    requests: Family<Answered, Counter>,
    durations: Family<Routed, Histogram, fn() -> Histogram>,
    in_flight: Gauge<i64, AtomicI64>,
    connections: Gauge<i64, AtomicI64>,
    panics: Counter,
    timeouts: Counter,
    refused: Family<Refused, Counter>,
    stalled: Family<Stalled, Counter>,
    queue_time: Histogram,
}

impl Measures {
    pub(crate) fn register(metrics: &Metrics) -> Self {
        let durations: Family<Routed, Histogram, fn() -> Histogram> =
            Family::new_with_constructor(|| Histogram::new(SECONDS));
        Self {
            requests: metrics.register(
                "web_requests",
                "Answered requests by method and class of status",
                Family::default(),
            ),
            durations: metrics.register(
                "web_request_duration_seconds",
                "Time from the head of a request to the head of its answer, by route",
                durations,
            ),
            in_flight: metrics.register(
                "web_requests_in_flight",
                "Requests whose answer is not complete",
                Gauge::default(),
            ),
            connections: metrics.register("web_connections", "Open connections", Gauge::default()),
            panics: metrics.register("web_panics", "Handlers that panicked", Counter::default()),
            timeouts: metrics.register(
                "web_timeouts",
                "Handlers dropped at `web.request_timeout`",
                Counter::default(),
            ),
            refused: metrics.register(
                "web_refused",
                "Requests that were not begun, by reason",
                Family::default(),
            ),
            stalled: metrics.register(
                "web_stalled",
                "Answers cut because nothing of them moved for `web.send_timeout`, by whose fault it was",
                Family::default(),
            ),
            queue_time: metrics.register(
                "web_queue_time_seconds",
                "Time from the proxy's sending of a request to its begin here",
                Histogram::new(QUEUE_TIME_BOUNDS.map(seconds)),
            ),
        }
    }

    pub(crate) fn enter(&self) -> InFlight {
        InFlight::new(&self.in_flight)
    }

    pub(crate) fn connect(&self) -> InFlight {
        InFlight::new(&self.connections)
    }

    pub(super) fn panicked(&self) {
        self.panics.inc();
    }

    pub(super) fn timed_out(&self) {
        self.timeouts.inc();
    }

    pub(super) fn refused(&self, reason: &'static str) {
        self.refused.get_or_create(&Refused { reason }).inc();
    }

    pub(crate) fn stalled(&self, side: Side) {
        let side = match side {
            Side::Body => "body",
            Side::Client => "client",
        };
        self.stalled.get_or_create(&Stalled { side }).inc();
    }

    /// A request had waited so long when it was begun.
    pub(super) fn waited(&self, time: Duration) {
        self.queue_time.observe(time.as_secs_f64());
    }

    /// The counter of such answers.
    pub(super) fn requests(&self, answered: &Answered) -> Counter {
        self.requests.get_or_create_owned(answered)
    }

    /// The histogram of a route's times.
    pub(super) fn durations(&self, route: &str) -> Histogram {
        self.durations.get_or_create_owned(&Routed {
            route: route.to_owned(),
        })
    }
}

/// The board has its bounds in milliseconds.
fn seconds(milliseconds: u64) -> f64 {
    Duration::from_millis(milliseconds).as_secs_f64()
}

/// Raises a gauge until it is dropped.
#[derive(Debug)]
pub(crate) struct InFlight(Gauge<i64, AtomicI64>);

impl InFlight {
    fn new(gauge: &Gauge<i64, AtomicI64>) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Strangers may invent methods; labels may not grow with them.
pub(super) fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

pub(super) fn class(status: StatusCode) -> &'static str {
    match status.as_u16() / 100 {
        1 => "1xx",
        2 => "2xx",
        3 => "3xx",
        4 => "4xx",
        _ => "5xx",
    }
}
