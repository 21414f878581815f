//! The metrics of the cache, read when somebody asks for them.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use super::Cache;

/// Label: `memory` or `disk`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Tier {
    tier: &'static str,
}

/// Reads the cache.
#[derive(Debug)]
pub struct CacheCollector(pub Arc<Cache>);

impl Collector for CacheCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let cache = &self.0;
        let mut bytes = encoder.encode_descriptor(
            "proxy_cache_bytes",
            "Bytes of stored answers",
            None,
            MetricType::Gauge,
        )?;
        for (tier, used) in [("memory", cache.memory_used()), ("disk", cache.disk_used())] {
            let gauge = ConstGauge::new(i64::try_from(used).unwrap_or(i64::MAX));
            gauge.encode(bytes.encode_family(&Tier { tier })?)?;
        }
        let unwritten = encoder.encode_descriptor(
            "proxy_cache_unwritten_answers",
            "Answers that the disk did not take, because it failed or was slow",
            None,
            MetricType::Counter,
        )?;
        ConstCounter::new(cache.unwritten()).encode(unwritten)
    }
}
