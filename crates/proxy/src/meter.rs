//! The proxy's metrics. Label values are bounded sets.

mod shard;

use std::ops::Deref;
use std::sync::Arc;

use kiuas_common::metrics::Metrics;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

pub use shard::{Cells, Shards};

use shard::Kind;

/// Label: an upstream's name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct UpstreamLabel {
    upstream: String,
}

/// Labels: an upstream's name and what went wrong.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct UpstreamErrorLabels {
    upstream: String,
    kind: &'static str,
}

/// Label: `2xx` and so on.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ClassLabel {
    class: &'static str,
}

/// Label: a rule of the gate.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RuleLabel {
    rule: &'static str,
}

/// Label: what an HTTP/2 connection was closed for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct AbuseLabel {
    kind: &'static str,
}

/// Label: the first name of a certificate.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct CertificateLabel {
    name: String,
}

/// Label: what the cache did.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct CacheLabel {
    result: &'static str,
}

/// Label: `http` or `https`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct SchemeLabel {
    scheme: &'static str,
}

/// Label: how a TLS handshake went.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct HandshakeLabel {
    kind: &'static str,
}

/// How a TLS handshake went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handshake {
    /// With all of its computation.
    Full,
    /// A session was resumed.
    Resumed,
    /// It failed, or took too long.
    Failed,
}

/// One counter a kind, looked up once.
#[derive(Debug, Clone)]
struct Handshakes {
    full: Counter,
    resumed: Counter,
    failed: Counter,
}

impl Handshakes {
    fn new(metrics: &Metrics) -> Self {
        let all: Family<HandshakeLabel, Counter> = metrics.register(
            "proxy_tls_handshakes",
            "TLS handshakes: full, resumed or failed",
            Family::default(),
        );
        let of = |kind| all.get_or_create_owned(&HandshakeLabel { kind });
        Self {
            full: of("full"),
            resumed: of("resumed"),
            failed: of("failed"),
        }
    }
}

const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

fn by_class(family: Family<ClassLabel, Counter>) -> [Counter; CLASSES.len()] {
    CLASSES.map(|class| family.get_or_create_owned(&ClassLabel { class }))
}

/// All metrics of the proxy. Clones share them.
#[derive(Debug, Clone)]
pub struct Meter(Arc<Instruments>);

impl Deref for Meter {
    type Target = Instruments;

    fn deref(&self) -> &Instruments {
        &self.0
    }
}

/// The metrics.
#[derive(Debug)]
pub struct Instruments {
    /// By site: classes of status, bytes, durations.
    pub sites: Shards,
    /// By upstream: durations.
    pub upstreams: Shards,
    cached: Family<CacheLabel, Counter>,
    /// By class; resolved once, because they are counted at every request.
    requests: [Counter; CLASSES.len()],
    refused: Family<RuleLabel, Counter>,
    evicted: Family<RuleLabel, Counter>,
    abused: Family<AbuseLabel, Counter>,
    connections: Family<SchemeLabel, Gauge>,
    certificates: Family<CertificateLabel, Gauge>,
    handshakes: Handshakes,
    /// Requests whose answer is not complete.
    pub in_flight: Gauge,
    /// Open WebSockets.
    pub tunnels: Gauge,
    /// Connections that the fast lane gave to hyper.
    pub lane_handovers: Counter,
    /// Lines of the access log that could not be written in time.
    pub log_dropped: Counter,
    upstream_connections: Family<UpstreamLabel, Gauge>,
    upstream_retries: Family<UpstreamLabel, Counter>,
    upstream_errors: Family<UpstreamErrorLabels, Counter>,
}

impl Meter {
    /// Registers all of them.
    #[must_use]
    pub fn new(metrics: &Metrics) -> Self {
        let sites = Shards::new(Kind::Sites);
        metrics.collect(Box::new(sites.clone()));
        let upstreams = Shards::new(Kind::Upstreams);
        metrics.collect(Box::new(upstreams.clone()));
        Self(Arc::new(Instruments {
            sites,
            upstreams,
            cached: metrics.register(
                "proxy_cache_results",
                "Requests that the cache was asked about, by what it did",
                Family::default(),
            ),
            requests: by_class(metrics.register(
                "proxy_requests",
                "Answered requests by class of status",
                Family::default(),
            )),
            refused: metrics.register(
                "proxy_refused_requests",
                "Requests refused by the gate or a site's protection, by rule",
                Family::default(),
            ),
            evicted: metrics.register(
                "proxy_evicted_connections",
                "Idle or slow connections ended because all places were taken, by reason",
                Family::default(),
            ),
            abused: metrics.register(
                "proxy_http2_abuses",
                "HTTP/2 connections closed because they went too far, by kind",
                Family::default(),
            ),
            connections: metrics.register(
                "proxy_connections",
                "Open connections of visitors",
                Family::default(),
            ),
            handshakes: Handshakes::new(metrics),
            certificates: metrics.register(
                "proxy_certificate_expiry_timestamp_seconds",
                "When a certificate expires, in seconds since 1970, by its first name",
                Family::default(),
            ),
            in_flight: metrics.register(
                "proxy_requests_in_flight",
                "Requests whose answer is not complete",
                Gauge::default(),
            ),
            tunnels: metrics.register("proxy_tunnels", "Open WebSockets", Gauge::default()),
            lane_handovers: metrics.register(
                "proxy_lane_handovers",
                "Connections that went from the fast lane to the general way",
                Counter::default(),
            ),
            log_dropped: metrics.register(
                "proxy_access_log_dropped_lines",
                "Lines of the access log that could not be written in time",
                Counter::default(),
            ),
            upstream_connections: metrics.register(
                "proxy_upstream_connections",
                "Open connections to applications",
                Family::default(),
            ),
            upstream_retries: metrics.register(
                "proxy_upstream_retries",
                "Requests sent to an application a second time",
                Family::default(),
            ),
            upstream_errors: metrics.register(
                "proxy_upstream_errors",
                "Requests that an application did not answer, by kind",
                Family::default(),
            ),
        }))
    }
}

impl Instruments {
    /// Counts what the cache did.
    pub fn cached(&self, result: &'static str) {
        self.cached.get_or_create(&CacheLabel { result }).inc();
    }

    /// Counts an answer.
    pub fn answered(&self, status: u16) {
        let class = match status {
            100..=199 => 0,
            200..=299 => 1,
            300..=399 => 2,
            400..=499 => 3,
            _ => 4,
        };
        if let Some(counter) = self.requests.get(class) {
            counter.inc();
        }
    }

    /// Counts a connection that had to go.
    pub fn evicted(&self, rule: &'static str) {
        self.evicted.get_or_create(&RuleLabel { rule }).inc();
    }

    /// Counts a refusal.
    pub fn refused(&self, rule: &'static str) {
        self.refused.get_or_create(&RuleLabel { rule }).inc();
    }

    /// Counts an HTTP/2 connection that went too far.
    pub fn abused(&self, kind: &'static str) {
        self.abused.get_or_create(&AbuseLabel { kind }).inc();
    }

    /// Counts a TLS handshake.
    pub fn handshake(&self, outcome: Handshake) {
        match outcome {
            Handshake::Full => self.handshakes.full.inc(),
            Handshake::Resumed => self.handshakes.resumed.inc(),
            Handshake::Failed => self.handshakes.failed.inc(),
        };
    }

    /// When the certificate for `name` expires.
    pub fn certificate_expires(&self, name: &str, seconds: i64) {
        let name = name.to_owned();
        self.certificates
            .get_or_create(&CertificateLabel { name })
            .set(seconds);
    }

    /// There is no certificate for `name` any more.
    pub fn certificate_gone(&self, name: &str) {
        let name = name.to_owned();
        self.certificates.remove(&CertificateLabel { name });
    }

    /// The gauge of open visitors' connections.
    #[must_use]
    pub fn connections(&self, secure: bool) -> Gauge {
        let scheme = if secure { "https" } else { "http" };
        self.connections
            .get_or_create_owned(&SchemeLabel { scheme })
    }

    /// The gauge of open connections to `upstream`.
    #[must_use]
    pub fn upstream_connections(&self, upstream: &str) -> Gauge {
        self.upstream_connections
            .get_or_create_owned(&UpstreamLabel {
                upstream: upstream.to_owned(),
            })
    }

    /// Counts a retry.
    pub fn retried(&self, upstream: &str) {
        self.upstream_retries
            .get_or_create(&UpstreamLabel {
                upstream: upstream.to_owned(),
            })
            .inc();
    }

    /// Counts a request that an application did not answer.
    pub fn failed(&self, upstream: &str, kind: &'static str) {
        self.upstream_errors
            .get_or_create(&UpstreamErrorLabels {
                upstream: upstream.to_owned(),
                kind,
            })
            .inc();
    }
}

/// Counts one up while it lives.
#[derive(Debug)]
pub struct Counted(Gauge);

impl Counted {
    /// One more in `gauge`.
    #[must_use]
    pub fn new(gauge: Gauge) -> Self {
        gauge.inc();
        Self(gauge)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}
