//! Sleeps until a queue's list changes, without polling and without popping.
//!
//! `CLIENT TRACKING` on a connection of its own: reading a list's length arms the server, the next
//! change pushes an invalidation. One connection serves any number of queues and priorities.

use std::sync::Arc;
use std::time::Duration;

use kiuas_common::redis::{Redis, RedisError};
use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, IntoConnectionInfo, Pipeline, ProtocolVersion, PushInfo,
};
use tokio::sync::Notify;

use crate::error::QueueError;

const CONNECT_DEADLINE: Duration = Duration::from_secs(3);
const RESPONSE_DEADLINE: Duration = Duration::from_secs(5);

/// The alarm clock of one consumer.
pub(super) struct Wake {
    redis: Redis,
    lists: Vec<String>,
    changed: Arc<Notify>,
    connection: tokio::sync::Mutex<Option<MultiplexedConnection>>,
}

impl Wake {
    pub(super) fn new(redis: Redis, lists: Vec<String>) -> Self {
        Self {
            redis,
            lists,
            changed: Arc::default(),
            connection: tokio::sync::Mutex::default(),
        }
    }

    /// Returns when a list may have something, or after `at_most`.
    pub(super) async fn wait(&self, at_most: Duration) -> Result<(), QueueError> {
        let mut connection = self.connection.lock().await;
        let outcome = self.sleep(&mut connection, at_most).await;
        if outcome.is_err() {
            *connection = None;
        }
        outcome
    }

    async fn sleep(
        &self,
        slot: &mut Option<MultiplexedConnection>,
        at_most: Duration,
    ) -> Result<(), QueueError> {
        let connection = match slot {
            Some(connection) => connection,
            None => slot.insert(self.connect().await?),
        };
        // Made before the lists are read: a change in between is not missed.
        let changed = self.changed.notified();
        let mut lengths = Pipeline::new();
        for list in &self.lists {
            lengths.llen(list);
        }
        let lengths: Vec<u64> =
            lengths
                .query_async(connection)
                .await
                .map_err(|source| QueueError::Command {
                    action: "say what waits in it",
                    source,
                })?;
        if lengths.iter().all(|length| *length == 0) {
            // Time over is no failure: the caller looks, and comes back.
            drop(tokio::time::timeout(at_most, changed).await);
        }
        Ok(())
    }

    async fn connect(&self) -> Result<MultiplexedConnection, QueueError> {
        let failed = |source| RedisError::Connect {
            database: self.redis.database(),
            source,
        };
        let info = self.redis.client().get_connection_info().clone();
        let settings = info
            .redis_settings()
            .clone()
            .set_protocol(ProtocolVersion::RESP3);
        let info = info
            .set_redis_settings(settings)
            .into_connection_info()
            .map_err(failed)?;
        let changed = Arc::clone(&self.changed);
        // Every push counts, the loss of the connection too: the caller's next step finds out.
        let on_push = move |_: PushInfo| {
            changed.notify_one();
            Ok::<(), std::convert::Infallible>(())
        };
        let configuration = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_DEADLINE))
            .set_response_timeout(Some(RESPONSE_DEADLINE))
            .set_push_sender(on_push);
        let mut connection = Client::open(info)
            .map_err(failed)?
            .get_multiplexed_async_connection_with_config(&configuration)
            .await
            .map_err(failed)?;
        redis::cmd("CLIENT")
            .arg("TRACKING")
            .arg("ON")
            .exec_async(&mut connection)
            .await
            .map_err(|source| QueueError::Command {
                action: "track changes (CLIENT TRACKING, Redis 7)",
                source,
            })?;
        Ok(connection)
    }
}
