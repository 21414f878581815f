//! One multiplexed connection that is made when it is needed and made anew after it broke.
//!
//! All commands of a process share it, so that those of many tasks travel as one pipeline. Nothing
//! blocks on it.

use std::sync::Arc;
use std::time::Duration;

use kiuas_common::redis::{Redis, RedisError};
use redis::aio::{MultiplexedConnection, PubSub};
use redis::{AsyncConnectionConfig, FromRedisValue, Pipeline, ScriptInvocation};

use crate::error::QueueError;

const CONNECT_DEADLINE: Duration = Duration::from_secs(3);
/// A Redis that takes longer is as good as gone; what was sent may still have happened.
const RESPONSE_DEADLINE: Duration = Duration::from_secs(5);

/// The shared connection. Clones share it.
#[derive(Clone)]
pub(crate) struct SharedConnection {
    redis: Redis,
    current: Arc<tokio::sync::Mutex<Option<MultiplexedConnection>>>,
}

impl std::fmt::Debug for SharedConnection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SharedConnection")
            .field("redis", &self.redis)
            .finish_non_exhaustive()
    }
}

impl SharedConnection {
    pub(crate) fn new(redis: Redis) -> Self {
        Self {
            redis,
            current: Arc::default(),
        }
    }

    pub(crate) fn redis(&self) -> &Redis {
        &self.redis
    }

    /// A connection of its own that hears what is published on `channel`.
    pub(crate) async fn subscribe(&self, channel: &str) -> Result<PubSub, QueueError> {
        let failed = |source| {
            QueueError::Connection(RedisError::Connect {
                database: self.redis.database(),
                source,
            })
        };
        let mut subscription = self
            .redis
            .client()
            .get_async_pubsub()
            .await
            .map_err(failed)?;
        subscription.subscribe(channel).await.map_err(failed)?;
        Ok(subscription)
    }

    /// Runs a script; the keys and arguments are in `invocation`.
    pub(crate) async fn script<T: FromRedisValue>(
        &self,
        action: &'static str,
        invocation: &ScriptInvocation<'_>,
    ) -> Result<T, QueueError> {
        let mut connection = self.get().await?;
        let outcome = invocation.invoke_async(&mut connection).await;
        self.judge(action, outcome).await
    }

    /// Runs a pipeline.
    pub(crate) async fn pipeline<T: FromRedisValue>(
        &self,
        action: &'static str,
        pipeline: &Pipeline,
    ) -> Result<T, QueueError> {
        let mut connection = self.get().await?;
        let outcome = pipeline.query_async(&mut connection).await;
        self.judge(action, outcome).await
    }

    async fn get(&self) -> Result<MultiplexedConnection, QueueError> {
        let mut current = self.current.lock().await;
        if let Some(connection) = &*current {
            return Ok(connection.clone());
        }
        let configuration = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_DEADLINE))
            .set_response_timeout(Some(RESPONSE_DEADLINE));
        let connection = self
            .redis
            .client()
            .get_multiplexed_async_connection_with_config(&configuration)
            .await
            .map_err(|source| RedisError::Connect {
                database: self.redis.database(),
                source,
            })?;
        *current = Some(connection.clone());
        Ok(connection)
    }

    async fn judge<T>(
        &self,
        action: &'static str,
        outcome: Result<T, redis::RedisError>,
    ) -> Result<T, QueueError> {
        match outcome {
            Ok(value) => Ok(value),
            Err(source) => {
                if source.is_io_error() || source.is_timeout() || source.is_connection_dropped() {
                    *self.current.lock().await = None;
                }
                Err(QueueError::Command { action, source })
            }
        }
    }
}
