//! Section `[queue]`.

use kiuas_common::Period;
use serde::{Deserialize, Serialize};

use crate::amqp::AmqpSettings;

/// What carries tasks from those who send them to the workers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum BrokerKind {
    /// Redis, in the database `redis.queue_db`.
    #[default]
    Redis,
    /// RabbitMQ, see [`AmqpSettings`]; results are in `redis.queue_db`.
    Amqp,
    /// The memory of one process, lost with it: for tests.
    Memory,
}

impl BrokerKind {
    /// Its name among kombu's transports.
    #[must_use]
    pub fn celery_transport(self) -> &'static str {
        match self {
            Self::Redis => "redis",
            Self::Amqp => "amqp",
            Self::Memory => "memory",
        }
    }

    /// Its name in traces, `messaging.system`.
    #[must_use]
    pub fn system(self) -> &'static str {
        match self {
            Self::Redis => "redis",
            Self::Amqp => "rabbitmq",
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
    /// RabbitMQ, for `broker = "amqp"`.
    pub amqp: AmqpSettings,
}

impl Default for QueueSettings {
    fn default() -> Self {
        Self {
            broker: BrokerKind::default(),
            default_queue: "celery".to_owned(),
            result_expires: Period::seconds(86_400),
            key_prefix: String::new(),
            amqp: AmqpSettings::default(),
        }
    }
}
