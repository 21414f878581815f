//! What can go wrong with RabbitMQ.

use std::time::Duration;

/// What can go wrong with RabbitMQ.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AmqpError {
    /// `queue.amqp.url` is no URL of RabbitMQ.
    #[error(
        "`queue.amqp.url` is no AMQP URL ({problem}): write amqp://user:password@host:5672/vhost or amqps://…"
    )]
    Url {
        /// What is wrong with it.
        problem: String,
    },
    /// Settings that exclude each other.
    #[error(
        "`queue.amqp.max_priority` is for classic queues: quorum queues take no `x-max-priority`"
    )]
    PriorityOfQuorum,
    /// The certificates for TLS could not be read.
    #[error("cannot use the certificates in `{path}` (`queue.amqp.ca_path`): {problem}")]
    Certificates {
        /// The file, or the system's.
        path: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The thread that serves the connections cannot start.
    #[error("cannot start the thread of the AMQP connections")]
    Thread(#[source] std::io::Error),
    /// No connection.
    #[error("cannot connect to RabbitMQ at {address}")]
    Connect {
        /// Host and port.
        address: String,
        /// Why not.
        #[source]
        source: lapin::Error,
    },
    /// RabbitMQ refused something, or the connection broke meanwhile.
    #[error("RabbitMQ did not {action}")]
    Refused {
        /// What we asked.
        action: &'static str,
        /// Why not.
        #[source]
        source: lapin::Error,
    },
    /// No answer.
    #[error("RabbitMQ did not {action} within {waited:?}; is it out of memory or disk?")]
    Silent {
        /// What we asked.
        action: &'static str,
        /// How long we waited.
        waited: Duration,
    },
    /// A message that no queue takes.
    #[error("no queue takes messages for `{queue}`: {text}")]
    Returned {
        /// The routing key.
        queue: String,
        /// RabbitMQ's words.
        text: String,
    },
    /// RabbitMQ could not store a message.
    #[error("RabbitMQ refused a message for `{queue}`: the queue is full, or a node of it is away")]
    Nacked {
        /// The routing key.
        queue: String,
    },
    /// A name that AMQP cannot carry.
    #[error("`{field}` has more than 255 bytes")]
    Name {
        /// Which.
        field: &'static str,
    },
    /// Headers beyond a frame.
    #[error("the message's headers have {length} bytes, more than {limit}")]
    Headers {
        /// How many they are.
        length: usize,
        /// How many they may be.
        limit: usize,
    },
}

impl AmqpError {
    /// True if the same call may succeed later.
    pub(crate) fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Connect { .. }
                | Self::Refused { .. }
                | Self::Silent { .. }
                | Self::Returned { .. }
                | Self::Nacked { .. }
        )
    }
}
