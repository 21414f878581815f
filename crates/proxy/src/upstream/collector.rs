//! The metrics of upstreams and their targets. They are read when somebody asks for the metrics:
//! counting for them costs a request nothing, and a target that is gone leaves no trace.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use super::breaker::BreakerState;
use super::member::Member;
use super::plan::UpstreamPlan;
use super::switch::Mode;
use crate::plan::Plans;

/// Label: an upstream's name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct UpstreamLabel {
    upstream: String,
}

/// Labels: an upstream's name and one of its targets, which are as many as the settings or an operator
/// wrote.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TargetLabels {
    upstream: String,
    target: String,
}

/// Reads the upstreams of the plan in force.
#[derive(Debug)]
pub struct UpstreamCollector(pub Arc<Plans>);

/// A metric of each upstream: name, help, and how it is read.
type OfUpstream = (&'static str, &'static str, fn(&UpstreamPlan) -> u64);
/// A metric of each target.
type OfTarget = (&'static str, &'static str, fn(&Member) -> u64);

const UPSTREAM_GAUGES: [OfUpstream; 5] = [
    (
        "proxy_upstream_requests_in_flight",
        "Requests that have their turn",
        |one| count(one.state.active()),
    ),
    (
        "proxy_upstream_requests_waiting",
        "Requests that wait for their turn",
        |one| count(one.state.waiting()),
    ),
    (
        "proxy_upstream_paused",
        "1 while an operator holds requests back",
        |one| u64::from(matches!(mode(one).as_deref(), Some(Mode::Paused(_)))),
    ),
    (
        "proxy_upstream_maintenance",
        "1 while an operator works on it",
        |one| u64::from(matches!(mode(one).as_deref(), Some(Mode::Maintenance(_)))),
    ),
    (
        "proxy_upstream_breaker",
        "Circuit breaker: 0 closed, 1 half open, 2 open",
        |one| match one.state.breaker() {
            BreakerState::Closed => 0,
            BreakerState::HalfOpen => 1,
            BreakerState::Open(_) => 2,
        },
    ),
];

const UPSTREAM_COUNTERS: [OfUpstream; 2] = [
    (
        "proxy_upstream_requests_held",
        "Requests that waited because of a pause or a deployment",
        |one| one.state.counts.tally().held,
    ),
    (
        "proxy_upstream_deployments",
        "Changes of all targets by `ctl deploy`",
        |one| one.state.deployments(),
    ),
];

const TARGET_GAUGES: [OfTarget; 2] = [
    (
        "proxy_target_requests_in_flight",
        "Requests under way at a target",
        |one| count(one.in_flight()),
    ),
    ("proxy_target_up", "1 while a target gets requests", |one| {
        u64::from(one.is_up())
    }),
];

const TARGET_COUNTERS: [OfTarget; 2] = [
    (
        "proxy_target_requests",
        "Requests sent to a target",
        Member::requests,
    ),
    (
        "proxy_target_failures",
        "Requests that a target did not answer",
        Member::failures,
    ),
];

fn count(value: usize) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}

fn mode(upstream: &UpstreamPlan) -> Option<Arc<Mode>> {
    upstream.state.switch.mode()
}

impl Collector for UpstreamCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let upstreams = &self.0.get().upstreams;
        for (name, help, read) in UPSTREAM_GAUGES {
            let metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            of_upstreams(metric, upstreams, |metric, one| {
                gauge(read(one)).encode(metric)
            })?;
        }
        for (name, help, read) in UPSTREAM_COUNTERS {
            let metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            of_upstreams(metric, upstreams, |metric, one| {
                ConstCounter::new(read(one)).encode(metric)
            })?;
        }
        for (name, help, read) in TARGET_GAUGES {
            let metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            of_targets(metric, upstreams, |metric, one| {
                gauge(read(one)).encode(metric)
            })?;
        }
        for (name, help, read) in TARGET_COUNTERS {
            let metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            of_targets(metric, upstreams, |metric, one| {
                ConstCounter::new(read(one)).encode(metric)
            })?;
        }
        Ok(())
    }
}

fn gauge(value: u64) -> ConstGauge<i64> {
    ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX))
}

fn of_upstreams(
    mut metric: MetricEncoder<'_>,
    upstreams: &[Arc<UpstreamPlan>],
    write: impl Fn(MetricEncoder<'_>, &UpstreamPlan) -> fmt::Result,
) -> fmt::Result {
    for upstream in upstreams {
        let label = UpstreamLabel {
            upstream: upstream.name.clone(),
        };
        write(metric.encode_family(&label)?, upstream)?;
    }
    Ok(())
}

fn of_targets(
    mut metric: MetricEncoder<'_>,
    upstreams: &[Arc<UpstreamPlan>],
    write: impl Fn(MetricEncoder<'_>, &Member) -> fmt::Result,
) -> fmt::Result {
    for upstream in upstreams {
        for member in upstream.state.members().iter() {
            let labels = TargetLabels {
                upstream: upstream.name.clone(),
                target: member.spec.target.to_string(),
            };
            write(metric.encode_family(&labels)?, member)?;
        }
    }
    Ok(())
}
