//! What a route's settings say about caching, checked and resolved.

use std::time::Duration;

use http::StatusCode;

/// The rules of one route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// Lifetime in seconds of answers that say nothing about it.
    pub default_ttl: Option<u32>,
    /// Lifetime in seconds by status, whatever the answer says about it.
    pub ttl: Vec<(u16, u32)>,
    /// A tenth of the time since `Last-Modified` is a lifetime.
    pub heuristic: bool,
    /// Seconds for which stale answers are used while they are validated, unless they say it.
    pub stale_while_revalidate: u32,
    /// Seconds for which stale answers are used when the application fails, unless they say it.
    pub stale_if_error: u32,
    /// `Cache-Control` of requests counts.
    pub obey_requests: bool,
    /// Requests with one of these cookies neither use nor fill the cache.
    pub bypass_cookies: Vec<String>,
    /// The query is no part of the key.
    pub ignore_query: bool,
    /// Largest body in bytes.
    pub max_size: u64,
    /// Answers get `Cache-Status`.
    pub status_header: bool,
    /// How long a request waits for the head of an answer that another one is fetching.
    pub wait: Duration,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            default_ttl: None,
            ttl: Vec::new(),
            heuristic: true,
            stale_while_revalidate: 0,
            stale_if_error: 0,
            obey_requests: true,
            bypass_cookies: Vec::new(),
            ignore_query: false,
            max_size: 16 << 20,
            status_header: true,
            wait: Duration::from_secs(5),
        }
    }
}

impl Rules {
    pub(super) fn ttl_of(&self, status: StatusCode) -> Option<u32> {
        self.ttl
            .iter()
            .find(|(of, _)| *of == status.as_u16())
            .map(|(_, seconds)| *seconds)
    }
}
