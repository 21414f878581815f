//! `[proxy.upstreams.NAME]`.

use kiuas_common::Period;
use serde::{Deserialize, Serialize};

use super::{
    BreakerSettings, HealthSettings, List, PassiveSettings, StickySettings, TargetSettings,
};

/// Which target a request goes to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Balance {
    /// The one with the fewest requests for its weight; in turn among equals.
    #[default]
    LeastConnections,
    /// In turn, by weight.
    RoundRobin,
}

/// What targets speak.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Protocol {
    /// HTTP/1.1.
    #[default]
    #[serde(rename = "http/1.1")]
    Http1,
    /// HTTP/2 without TLS and without asking first, as gRPC servers do.
    #[serde(rename = "h2c")]
    H2c,
}

/// An application behind the proxy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UpstreamSettings {
    /// `unix:/path` or `HOST:PORT`, or tables with more. A host's name is resolved at each new
    /// connection.
    pub targets: List<TargetSettings>,
    /// `http/1.1` or `h2c`.
    pub protocol: Protocol,
    /// `least-connections` or `round-robin`.
    pub balance: Balance,
    /// How long a target that has just come up gets less than its share; 0 is not at all.
    pub slow_start: Period,
    /// Keeps a visitor on one target by a cookie.
    pub sticky: Option<StickySettings>,
    /// Asks the targets by itself whether they are well.
    pub health: Option<HealthSettings>,
    /// What failed requests say about a target.
    pub passive: PassiveSettings,
    /// Turns requests away while most of them fail.
    pub breaker: Option<BreakerSettings>,
    /// To connect to one target.
    pub connect_timeout: Period,
    /// To the answer's head, and between two pieces of its body; 504 after.
    pub response_timeout: Period,
    /// How long an idle connection is kept for reuse.
    pub idle_timeout: Period,
    /// How long the application keeps an idle connection open while it drains. `idle_timeout` must be
    /// shorter, or a request could be sent into a connection that is just being closed.
    pub idle_grace: Period,
    /// A connection is not used again after so long, however busy it is.
    pub max_age: Period,
    /// Idle connections kept, for each target and thread.
    pub max_idle: usize,
    /// Requests at a time, all threads and targets together; more wait.
    pub max_connections: usize,
    /// Requests that may wait; 503 above.
    pub max_waiting: usize,
    /// How long one may wait; 503 after.
    pub wait_timeout: Period,
}

impl Default for UpstreamSettings {
    fn default() -> Self {
        Self {
            targets: List(Vec::new()),
            protocol: Protocol::default(),
            balance: Balance::default(),
            slow_start: Period::seconds(0),
            sticky: None,
            health: None,
            passive: PassiveSettings::default(),
            breaker: None,
            connect_timeout: Period::seconds(3),
            response_timeout: Period::seconds(60),
            idle_timeout: Period::seconds(4),
            idle_grace: Period::seconds(5),
            max_age: Period::seconds(3600),
            max_idle: 512,
            max_connections: 512,
            max_waiting: 1024,
            wait_timeout: Period::seconds(5),
        }
    }
}
