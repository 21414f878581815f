//! How a target's health is known: by asking, and by what becomes of requests.

use kiuas_common::Period;
use serde::{Deserialize, Serialize};

/// `health`: the proxy asks each target by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HealthSettings {
    /// What is asked for, by GET.
    pub path: String,
    /// `Host` of the question.
    pub host: String,
    /// Between two questions; a tenth is random, so that proxies do not ask in step.
    pub interval: Period,
    /// For the whole answer.
    pub timeout: Period,
    /// The status of a target that is well; 0 is any from 200 to 399.
    pub status: u16,
    /// Good answers in a row after which a target that was down is up.
    pub passes: u32,
    /// Bad answers in a row after which a target that was up is down.
    pub fails: u32,
}

impl Default for HealthSettings {
    fn default() -> Self {
        Self {
            path: "/healthz".to_owned(),
            host: "localhost".to_owned(),
            interval: Period::seconds(5),
            timeout: Period::seconds(2),
            status: 0,
            passes: 2,
            fails: 3,
        }
    }
}

/// `passive`: a target whose requests fail gets none for a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PassiveSettings {
    /// Failures within `fail_timeout` after which it gets no requests; 0 is never. A failure: no
    /// connection, no answer in time, a broken answer.
    pub max_fails: u32,
    /// The window, and for how long it gets none. After that one request tries.
    pub fail_timeout: Period,
}

impl Default for PassiveSettings {
    fn default() -> Self {
        Self {
            max_fails: 3,
            fail_timeout: Period::seconds(10),
        }
    }
}

/// `breaker`: while most requests fail, more of them help nobody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BreakerSettings {
    /// Opens at this share of failures, in percent. A failure: as for `passive`, or a status of 500 and
    /// above.
    pub errors: u32,
    /// Fewer requests than this in the window say nothing.
    pub requests: u32,
    /// What is looked at.
    pub window: Period,
    /// How long everybody gets 503 at once.
    pub open: Period,
    /// Requests that try after that; when all of them succeed, it closes.
    pub trials: u32,
}

impl Default for BreakerSettings {
    fn default() -> Self {
        Self {
            errors: 50,
            requests: 20,
            window: Period::seconds(10),
            open: Period::seconds(5),
            trials: 3,
        }
    }
}
