//! Section `[queue.amqp]`.

use std::fmt;

use kiuas_common::Period;
use serde::{Deserialize, Serialize};

/// Section `[queue.amqp]`: where RabbitMQ is and how queues are made there.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AmqpSettings {
    /// `amqp://user:password@host:5672/vhost`, or `amqps://` for TLS. Without a virtual host: `/`.
    pub url: String,
    /// PEM file of the certificate authorities for `amqps://`; empty: the system's.
    pub ca_path: String,
    /// Kind of the queues that do not exist yet. A queue that exists is used as it is.
    pub queue_type: QueueType,
    /// Highest priority of new classic queues, `x-max-priority` and Celery's `task_queue_max_priority`;
    /// 0: a queue without priorities.
    pub max_priority: u8,
    /// Most messages that a worker holds of each queue; 0: as many as it runs at once. More than that
    /// wait in a busy worker while others may be idle.
    pub prefetch: u16,
    /// Workers also send results to those who wait for them over AMQP: for producers with Celery's
    /// `result_backend = "rpc://"`.
    pub rpc_results: bool,
    /// Silence after which either side gives the connection up.
    pub heartbeat: Period,
    /// Kind of the queues that delay messages: Celery's `broker_native_delayed_delivery_queue_type`.
    pub delay_queue_type: QueueType,
}

/// A kind of RabbitMQ's queues.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum QueueType {
    /// One node holds it. Celery's default, and the one with ten priorities.
    #[default]
    Classic,
    /// Replicated over the nodes of a cluster.
    Quorum,
}

impl Default for AmqpSettings {
    fn default() -> Self {
        Self {
            url: "amqp://guest:guest@127.0.0.1:5672".to_owned(),
            ca_path: String::new(),
            queue_type: QueueType::Classic,
            max_priority: 0,
            prefetch: 0,
            rpc_results: false,
            heartbeat: Period::seconds(10),
            delay_queue_type: QueueType::Quorum,
        }
    }
}

impl fmt::Debug for AmqpSettings {
    // Without the URL: it may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AmqpSettings")
            .field("queue_type", &self.queue_type)
            .field("max_priority", &self.max_priority)
            .field("prefetch", &self.prefetch)
            .finish_non_exhaustive()
    }
}
