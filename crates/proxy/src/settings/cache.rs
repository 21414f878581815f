//! `[proxy.cache]` and `cache` of sites and routes.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use kiuas_common::{Bytes, Period};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::List;

/// How much is stored; whether anything is, sites and routes say.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CacheSettings {
    /// Answers in memory.
    pub memory: Bytes,
    /// Answers on the disk, in `directory`; none unless both are set.
    pub disk: Option<Bytes>,
    /// For answers on the disk. Nothing else should lie there.
    pub directory: Option<PathBuf>,
}

impl Default for CacheSettings {
    fn default() -> Self {
        Self {
            memory: Bytes::mebibytes(64),
            disk: None,
            directory: None,
        }
    }
}

/// `cache = true`, `cache = false` or a table.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub enum RouteCache {
    /// With the defaults, or not.
    Switch(bool),
    /// With these settings.
    Rules(Box<RouteCacheSettings>),
}

/// What is stored for a route, and for how long.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RouteCacheSettings {
    /// False switches a route of a cached site off.
    pub enabled: bool,
    /// Lifetime of answers that say nothing about it.
    pub default_ttl: Option<Period>,
    /// Lifetime by status (`"404" = "1m"`), whatever the answer says about it. What must not be stored
    /// at all is not stored even so.
    pub ttl: BTreeMap<String, Period>,
    /// A tenth of the time since `Last-Modified` is a lifetime, where the answer names none.
    pub heuristic: bool,
    /// How long stale answers serve while they are validated in the background, unless they say it.
    pub stale_while_revalidate: Period,
    /// How long stale answers serve when the application fails, unless they say it.
    pub stale_if_error: Period,
    /// `Cache-Control` of visitors counts (`no-cache`, `max-age` and so on).
    pub obey_requests: bool,
    /// Requests with one of these cookies neither use nor fill the cache.
    pub bypass_cookies: List<String>,
    /// URLs that differ in their query alone are one.
    pub ignore_query: bool,
    /// Largest body that is stored.
    pub max_size: Bytes,
    /// How long a request waits for the head of an answer that another one is fetching already.
    pub wait: Period,
    /// Answers say in `Cache-Status` what the cache did.
    pub status_header: bool,
}

impl Default for RouteCacheSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            default_ttl: None,
            ttl: BTreeMap::new(),
            heuristic: true,
            stale_while_revalidate: Period::seconds(0),
            stale_if_error: Period::seconds(60),
            obey_requests: true,
            bypass_cookies: List(Vec::new()),
            ignore_query: false,
            max_size: Bytes::mebibytes(16),
            wait: Period::seconds(5),
            status_header: true,
        }
    }
}

impl<'de> Deserialize<'de> for RouteCache {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RouteCacheVisitor)
    }
}

struct RouteCacheVisitor;

impl<'de> Visitor<'de> for RouteCacheVisitor {
    type Value = RouteCache;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("true, false or a table")
    }

    fn visit_bool<E: Error>(self, on: bool) -> Result<RouteCache, E> {
        Ok(RouteCache::Switch(on))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RouteCache, A::Error> {
        let rules = RouteCacheSettings::deserialize(MapAccessDeserializer::new(map))?;
        Ok(RouteCache::Rules(Box::new(rules)))
    }
}
