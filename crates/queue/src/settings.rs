//! Section `[queue]`.

use kiuas_common::Period;
use serde::{Deserialize, Serialize};

/// What carries tasks from those who send them to the workers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum BrokerKind {
    /// Redis, in the database `redis.queue_db`.
    #[default]
    Redis,
    /// The memory of one process, lost with it: for tests.
    Memory,
}

impl BrokerKind {
    /// Its name in traces, `messaging.system`.
    #[must_use]
    pub fn system(self) -> &'static str {
        match self {
            Self::Redis => "redis",
            Self::Memory => "memory",
        }
    }
}

/// Section `[queue]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QueueSettings {
    /// What carries the tasks.
    pub broker: BrokerKind,
    /// Where tasks go that name no queue. Celery's own default is `celery` too.
    pub default_queue: String,
    /// How long a result can be read.
    pub result_expires: Period,
    /// Put in front of every key and channel: kombu's `global_keyprefix`.
    pub key_prefix: String,
}

impl Default for QueueSettings {
    fn default() -> Self {
        Self {
            broker: BrokerKind::default(),
            default_queue: "celery".to_owned(),
            result_expires: Period::seconds(86_400),
            key_prefix: String::new(),
        }
    }
}
