//! `[proxy.limits]`: every bound and deadline on the visitor's side.

use kiuas_common::{Bytes, Period};
use serde::{Deserialize, Serialize};

use crate::gate::MOST_FIELDS;

/// Bounds and deadlines on the visitor's side.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitSettings {
    /// Visitors' connections at a time, all threads together. When they are all taken, idle and slow
    /// ones end for the sake of new ones; with none of these, new ones wait.
    pub connections: usize,
    /// Connections of one address (a /64 of IPv6) at a time; more are closed at once. 0: no limit.
    /// Peers in `trusted` are not counted.
    pub connections_per_address: u32,
    /// Requests of one address at work at a time; 429 above. 0: no limit.
    pub requests_per_address: u32,
    /// Largest request body; 413 above. A route may set its own.
    pub body: Bytes,
    /// Largest request head; 431 above. At most 16 KiB.
    pub head: Bytes,
    /// Most fields of a request head; 431 above. At most 100.
    pub fields: usize,
    /// Longest request target; 414 above. At most 8 KiB.
    pub line: Bytes,
    /// For a whole request, from its head to the end of its answer; 504 if nothing of the answer was
    /// sent. No limit by default; not for WebSockets.
    pub request_timeout: Option<Period>,
    /// From the first byte of a head (or the start of a connection) to its last; 408 after.
    pub head_timeout: Period,
    /// TLS handshake.
    pub handshake_timeout: Period,
    /// Longest pause between two pieces of a request body; 408 after.
    pub body_timeout: Period,
    /// Slowest request body, in bytes a second on average after a first `body_timeout`; 408 below, 0
    /// is any. Only the time that the visitor makes us wait counts.
    pub body_min_rate: Bytes,
    /// Longest pause of a visitor who does not read the answer; the connection is cut after.
    pub write_timeout: Period,
    /// Slowest reader of an answer, in bytes a second over each five seconds that the visitor makes us
    /// wait; the connection is cut below, 0 is any. The time that the application takes does not count.
    pub write_min_rate: Bytes,
    /// How long an idle connection is kept.
    pub keep_alive: Period,
    /// Longest silence in both directions of a WebSocket.
    pub tunnel_timeout: Period,
    /// At the end: how long idle connections may still send a request (its answer closes them).
    pub drain_grace: Period,
    /// At the end: how long answers may take before they are cut.
    pub drain_timeout: Period,
    /// At the end: how long WebSockets stay open; as `drain_timeout` if it is not set.
    pub tunnel_drain: Option<Period>,
    /// After that they are closed with 1012 ("service restart"), one after the other within this span, so
    /// that their visitors do not come back all at once.
    pub tunnel_spread: Period,
}

impl Default for LimitSettings {
    fn default() -> Self {
        Self {
            connections: 10_000,
            connections_per_address: 0,
            requests_per_address: 0,
            body: Bytes::mebibytes(10),
            head: Bytes(16 * 1024),
            fields: MOST_FIELDS,
            line: Bytes(8 * 1024),
            request_timeout: None,
            head_timeout: Period::seconds(10),
            handshake_timeout: Period::seconds(10),
            body_timeout: Period::seconds(30),
            body_min_rate: Bytes(500),
            write_timeout: Period::seconds(30),
            write_min_rate: Bytes(500),
            keep_alive: Period::seconds(75),
            tunnel_timeout: Period::seconds(3600),
            drain_grace: Period::seconds(2),
            drain_timeout: Period::seconds(30),
            tunnel_drain: None,
            tunnel_spread: Period::seconds(5),
        }
    }
}
