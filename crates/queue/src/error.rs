//! What can go wrong on the way to the broker and back.

use std::time::Duration;

use kiuas_common::postgres::PostgresError;
use kiuas_common::redis::RedisError;

use crate::amqp::AmqpError;
use crate::message::MessageError;

/// What can go wrong with a queue.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QueueError {
    /// No connection to Redis.
    #[error("cannot reach the task queue")]
    Connection(#[from] RedisError),
    /// Redis refused a command, or the connection broke while it ran.
    #[error("the task queue could not {action}")]
    Command {
        /// What we wanted of it.
        action: &'static str,
        /// Why not.
        #[source]
        source: redis::RedisError,
    },
    /// RabbitMQ refused something, or is away.
    #[error("cannot use the task queue on RabbitMQ")]
    Amqp(#[from] AmqpError),
    /// Something that needs Redis was asked of what has none.
    #[error("without Redis nothing can {action}")]
    NoRedis {
        /// What was wanted.
        action: &'static str,
    },
    /// The memory broker holds as much as it may.
    #[error("the queues in memory hold {limit} messages, more are refused")]
    Full {
        /// How many it may hold.
        limit: usize,
    },
    /// The outbox could not be written or read.
    #[error("cannot use the outbox of tasks")]
    Outbox(#[from] PostgresError),
    /// A task's arguments are not serialisable as JSON.
    #[error("cannot write the arguments of task `{task}` as JSON")]
    Arguments {
        /// The task's name.
        task: String,
        /// Why not.
        #[source]
        source: serde_json::Error,
    },
    /// A message cannot be built or read.
    #[error("cannot build or read a message")]
    Message(#[from] MessageError),
    /// A workflow that cannot be carried out.
    #[error("cannot carry out the workflow: {problem}")]
    Canvas {
        /// What is wrong with it.
        problem: String,
    },
    /// The subscription to the requests of the remote control ended.
    #[error("the connection to the remote control was lost")]
    ControlLost,
    /// A stored result is not one.
    #[error("the stored result of task {id} is not readable")]
    Result {
        /// The task.
        id: String,
        /// Why not.
        #[source]
        source: serde_json::Error,
    },
    /// The result did not come in time. The task may still run.
    #[error("no result of task {id} within {waited:?}")]
    NoResult {
        /// The task.
        id: String,
        /// How long we waited.
        waited: Duration,
    },
    /// The subscription that a result was waited on ended.
    #[error("the connection was lost while waiting for the result of task {id}")]
    Interrupted {
        /// The task.
        id: String,
    },
}

impl QueueError {
    /// True if the same call may succeed when Redis or PostgreSQL is back.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Amqp(error) => error.is_transient(),
            _ => self.is_transient_elsewhere(),
        }
    }

    fn is_transient_elsewhere(&self) -> bool {
        matches!(
            self,
            Self::Connection(_)
                | Self::Command { .. }
                | Self::Full { .. }
                | Self::Outbox(_)
                | Self::ControlLost
                | Self::Interrupted { .. }
        )
    }

    /// The message with those of its causes, for one line of a log.
    #[must_use]
    pub fn with_causes(&self) -> String {
        with_causes(self)
    }
}

/// The message of `error` with those of its causes.
#[must_use]
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
