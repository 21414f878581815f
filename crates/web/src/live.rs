//! Live updates: what one process publishes reaches the WebSockets of all.
//!
//! One Redis subscription a process feeds every socket through a bounded queue of its own. A visitor
//! who cannot keep up is dropped, not buffered for. Redis forgets what nobody heard, so after a
//! reconnect every socket is told to take a fresh snapshot.

mod hub;
mod socket;

use std::sync::Arc;

use kiuas_common::Shutdown;
use kiuas_common::redis::{Redis, RedisError};
use redis::AsyncCommands;

pub use hub::{Event, Subscription};
pub use socket::socket;

use hub::Hub;

/// Longest message.
const LONGEST: usize = 64 * 1024;

/// What can go wrong when publishing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LiveError {
    /// No connection.
    #[error("cannot reach Redis to publish on `{channel}`")]
    Connect {
        /// The channel.
        channel: String,
        /// Why not.
        #[source]
        source: RedisError,
    },
    /// Redis refused the message.
    #[error("cannot publish on `{channel}`")]
    Publish {
        /// The channel.
        channel: String,
        /// Why not.
        #[source]
        source: redis::RedisError,
    },
    /// The message is longer than 64 KiB.
    #[error("a live message on `{channel}` takes {length} bytes, at most {LONGEST} are allowed")]
    TooLong {
        /// The channel.
        channel: String,
        /// Its length.
        length: usize,
    },
}

/// Publishes and subscribes. Clones share one hub.
#[derive(Debug, Clone)]
pub struct Live {
    redis: Redis,
    hub: Arc<Hub>,
}

impl Live {
    /// Live updates over `redis`. Nothing is received before [`Live::run`].
    #[must_use]
    pub fn new(redis: Redis) -> Self {
        // Redis keeps no channels apart by database: the number in the name does.
        let prefix = format!("live:{}:", redis.database());
        Self {
            redis,
            hub: Arc::new(Hub::new(prefix)),
        }
    }

    /// Sends `text` to every socket that listens to `channel`, in all processes.
    ///
    /// # Errors
    /// Redis does not answer, or the text is too long.
    pub async fn publish(&self, channel: &str, text: &str) -> Result<(), LiveError> {
        if text.len() > LONGEST {
            return Err(LiveError::TooLong {
                channel: channel.to_owned(),
                length: text.len(),
            });
        }
        let mut connection = self
            .redis
            .get()
            .await
            .map_err(|source| LiveError::Connect {
                channel: channel.to_owned(),
                source,
            })?;
        connection
            .publish::<_, _, ()>(self.hub.name(channel), text)
            .await
            .map_err(|source| LiveError::Publish {
                channel: channel.to_owned(),
                source,
            })
    }

    /// Listens to `channel`.
    #[must_use]
    pub fn subscribe(&self, channel: &str) -> Subscription {
        self.hub.subscribe(channel)
    }

    /// Receives from Redis until the drain begins, when all sockets are closed anyway; reconnects with
    /// back-off.
    pub async fn run(self, shutdown: Shutdown) {
        tokio::select! {
            () = self.hub.receive(&self.redis) => {}
            () = shutdown.draining() => {}
        }
    }
}
