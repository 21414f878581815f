//! A consumer of whichever broker the settings name.

use std::time::Duration;

use jiff::Timestamp;

use crate::amqp::AmqpBroker;
use crate::broker::{Broker, Claimed, Delivery, Due, Finish, Hold, Swept};
use crate::error::QueueError;
use crate::memory::MemoryBroker;
use crate::redis::RedisBroker;

/// A consumer of whichever broker the settings name. Clones are the same consumer.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum AnyBroker {
    /// On Redis.
    Redis(RedisBroker),
    /// On RabbitMQ.
    Amqp(AmqpBroker),
    /// In memory.
    Memory(MemoryBroker),
}

macro_rules! each {
    ($self:ident, $broker:ident => $call:expr) => {
        match $self {
            Self::Redis($broker) => $call,
            Self::Amqp($broker) => $call,
            Self::Memory($broker) => $call,
        }
    };
}

impl Broker for AnyBroker {
    fn worker_id(&self) -> &str {
        each!(self, broker => broker.worker_id())
    }

    async fn claim(&self, most: usize) -> Result<Claimed, QueueError> {
        each!(self, broker => broker.claim(most).await)
    }

    async fn withdraw(&self) -> Result<(), QueueError> {
        each!(self, broker => broker.withdraw().await)
    }

    async fn wait(&self, at_most: Duration) -> Result<(), QueueError> {
        each!(self, broker => broker.wait(at_most).await)
    }

    async fn finish(&self, delivery: &Delivery, finish: Finish) -> Result<Hold, QueueError> {
        each!(self, broker => broker.finish(delivery, finish).await)
    }

    async fn defer(
        &self,
        delivery: &Delivery,
        priority: u8,
        eta: Timestamp,
    ) -> Result<Hold, QueueError> {
        each!(self, broker => broker.defer(delivery, priority, eta).await)
    }

    async fn release(&self, delivery: &Delivery) -> Result<Hold, QueueError> {
        each!(self, broker => broker.release(delivery).await)
    }

    async fn divert(&self, delivery: &Delivery, reason: &str) -> Result<Hold, QueueError> {
        each!(self, broker => broker.divert(delivery, reason).await)
    }

    async fn heartbeat(&self) -> Result<Vec<String>, QueueError> {
        each!(self, broker => broker.heartbeat().await)
    }

    async fn sweep(&self) -> Result<Swept, QueueError> {
        each!(self, broker => broker.sweep().await)
    }

    async fn move_due(&self) -> Result<Due, QueueError> {
        each!(self, broker => broker.move_due().await)
    }

    async fn leave(&self) -> Result<(), QueueError> {
        each!(self, broker => broker.leave().await)
    }
}
