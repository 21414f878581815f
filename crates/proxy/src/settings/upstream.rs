//! `[proxy.upstreams.NAME]`.

use kiuas_common::Period;
use serde::{Deserialize, Serialize};

use super::List;

/// An application behind the proxy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UpstreamSettings {
    /// `unix:/path` or `HOST:PORT`, used in turn. A host's name is resolved at each new connection.
    pub targets: List<String>,
    /// To connect to one target.
    pub connect_timeout: Period,
    /// To the answer's head, and between two pieces of its body; 504 after.
    pub response_timeout: Period,
    /// How long an idle connection is kept for reuse.
    pub idle_timeout: Period,
    /// How long the application keeps an idle connection open while it drains. `idle_timeout` must be
    /// shorter, or a request could be sent into a connection that is just being closed.
    pub idle_grace: Period,
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
            connect_timeout: Period::seconds(3),
            response_timeout: Period::seconds(60),
            idle_timeout: Period::seconds(4),
            idle_grace: Period::seconds(5),
            max_idle: 64,
            max_connections: 512,
            max_waiting: 1024,
            wait_timeout: Period::seconds(5),
        }
    }
}
