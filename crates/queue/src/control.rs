//! Celery's remote control and events: what `celery inspect`, `celery control` and Flower ask and see.
//!
//! A request is broadcast to all workers; each one that it concerns answers to the queue that it names.
//! Events are broadcast too, and seen by whoever listens at that moment. Neither is ever stored.

mod amqp;
mod redis;
mod request;

use std::sync::atomic::{AtomicU64, Ordering};

use kiuas_common::Period;
use serde_json::{Value, json};

use crate::error::QueueError;

pub use request::ControlRequest;
pub(crate) use {amqp::AmqpMailbox, redis::RedisMailbox};

/// The exchange of requests.
pub(crate) const REQUESTS: &str = "celery.pidbox";
/// The exchange of events.
pub(crate) const EVENTS: &str = "celeryev";

/// How long a revoked task is remembered, as Celery's `CELERY_WORKER_REVOKE_EXPIRES`.
pub const REVOKED_FOR: Period = Period::seconds(10_800);

/// Where the requests to one worker arrive.
#[derive(Debug)]
pub struct Mailbox {
    node: String,
    way: Way,
}

/// What brings them.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "a process has one")]
pub(crate) enum Way {
    Redis(RedisMailbox),
    Amqp(AmqpMailbox),
    /// Nobody else can reach this process's memory.
    Memory,
}

impl Mailbox {
    pub(crate) fn new(node: &str, way: Way) -> Self {
        Self {
            node: node.to_owned(),
            way,
        }
    }

    /// The next request to this worker. What is for others, has expired or cannot be read is passed
    /// over.
    ///
    /// # Errors
    /// The connection has ended; make another mailbox.
    pub async fn next(&mut self) -> Result<ControlRequest, QueueError> {
        loop {
            let envelope = match &mut self.way {
                Way::Redis(mailbox) => mailbox.next().await?,
                Way::Amqp(mailbox) => mailbox.next().await?,
                Way::Memory => std::future::pending().await,
            };
            match ControlRequest::read(&envelope) {
                Some(request) if request.is_for(&self.node) => return Ok(request),
                Some(_) => {}
                None => tracing::debug!("a request of the remote control cannot be read"),
            }
        }
    }

    /// Answers `request`, if an answer is wanted.
    ///
    /// # Errors
    /// The connection has ended.
    pub async fn reply(
        &self,
        request: &ControlRequest,
        answer: &Value,
        clock: &Clock,
    ) -> Result<(), QueueError> {
        let Some((exchange, routing_key)) = request.reply_to() else {
            return Ok(());
        };
        let body = json!({ self.node.as_str(): answer });
        let headers = json!({ "ticket": request.ticket(), "clock": clock.tick() });
        match &self.way {
            Way::Redis(mailbox) => mailbox.reply(exchange, routing_key, &headers, &body).await,
            Way::Amqp(mailbox) => mailbox.reply(exchange, routing_key, &headers, &body).await,
            Way::Memory => Ok(()),
        }
    }
}

/// Lamport's clock: what came before what, among processes whose clocks differ.
#[derive(Debug, Default)]
pub struct Clock(AtomicU64);

impl Clock {
    /// Something happens here. Returns its time.
    pub fn tick(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Something that happened elsewhere at `time` is heard of.
    pub fn hear(&self, time: u64) {
        self.0.fetch_max(time, Ordering::Relaxed);
        self.tick();
    }

    /// The time now.
    #[must_use]
    pub fn now(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// kombu's envelope around something that is not stored.
pub(crate) fn envelope(exchange: &str, routing_key: &str, headers: &Value, body: &Value) -> String {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    json!({
        "body": STANDARD.encode(body.to_string()),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": headers,
        "properties": {
            "delivery_mode": 1,
            "delivery_info": { "exchange": exchange, "routing_key": routing_key },
            "priority": 0,
            "body_encoding": "base64",
            "delivery_tag": uuid::Uuid::new_v4().to_string(),
        },
    })
    .to_string()
}

#[cfg(test)]
mod tests;
