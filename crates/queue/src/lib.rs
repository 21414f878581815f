//! What a task is and how it travels: Celery's message protocol v2, the brokers, results, outbox.
//!
//! Owns: [`Task`] and its [`Registry`], the messages, the [`Broker`] trait with its
//! implementations, the enqueueing client [`Queue`], results, and the transactional [`outbox`].
//!
//! Architecture invariant: nothing here runs a task (that is `kiuas-worker`) or knows a schedule
//! (`kiuas-beat`). What goes over the wire is what Python's Celery and kombu read and write.

mod amqp;
mod any;
pub mod broker;
mod call;
pub mod canvas;
mod connection;
pub mod control;
mod error;
mod memory;
pub mod message;
pub mod outbox;
mod poison;
mod queue;
mod redis;
mod registry;
mod result;
mod results;
mod retry;
mod settings;
mod task;

pub use amqp::{AmqpBroker, AmqpError, AmqpSettings, QueueType};
pub use any::AnyBroker;
pub use broker::Broker;
pub use call::{Call, SendOptions};
pub use error::{QueueError, with_causes};
pub use memory::MemoryBroker;
pub use message::TaskId;
pub use queue::Queue;
pub use redis::{Keys, RedisBroker};
pub use registry::{ArgumentsError, Registered, Registry};
pub use result::{ExceptionInfo, ResultMeta, State};
pub use retry::RetryPolicy;
pub use settings::{BrokerKind, QueueSettings};
pub use task::{BoxError, Context, Delivered, Failure, Task, TaskError, TaskOptions};
