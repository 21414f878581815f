//! The RabbitMQ broker, as Celery lays it out: durable queues, persistent messages, the task's headers
//! as the message's headers, the body as it is.
//!
//! Everything that is published is confirmed by the server and must reach a queue. What a worker holds
//! belongs to its connection: when that ends, RabbitMQ gives the messages to others at once, and an end
//! that was reached on a lost connection does not count. Results are in Redis.

mod client;
mod consumer;
mod delay;
mod dial;
mod ending;
mod error;
mod intake;
mod link;
mod redelivery;
mod session;
mod settings;
mod stream;
mod table;
mod wire;

pub(crate) use client::AmqpClient;
pub use consumer::AmqpBroker;
pub(crate) use consumer::Parts;
pub use error::AmqpError;
pub(crate) use link::{Link, ask};
pub use settings::{AmqpSettings, QueueType};
pub(crate) use table::short;
pub(crate) use wire::{Arrival, Publication};
