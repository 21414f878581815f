//! Section `[queue]`.

use kiuas_common::Period;
use serde::{Deserialize, Serialize};

/// Section `[queue]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QueueSettings {
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
            default_queue: "celery".to_owned(),
            result_expires: Period::seconds(86_400),
            key_prefix: String::new(),
        }
    }
}
