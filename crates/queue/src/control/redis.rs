//! Remote control and events through Redis: what kombu makes of a fanout exchange there.

use std::fmt;

use futures_util::StreamExt;
use redis::Pipeline;
use redis::aio::PubSubStream;
use serde_json::Value;

use super::{REQUESTS, envelope};
use crate::connection::SharedConnection;
use crate::error::QueueError;
use crate::redis::Keys;

/// A subscription to the requests.
pub(crate) struct RedisMailbox {
    connection: SharedConnection,
    keys: Keys,
    messages: PubSubStream,
}

impl fmt::Debug for RedisMailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisMailbox").finish_non_exhaustive()
    }
}

impl RedisMailbox {
    pub(crate) async fn open(
        connection: &SharedConnection,
        keys: &Keys,
    ) -> Result<Self, QueueError> {
        let channel = keys.fanout(connection.redis().database(), REQUESTS);
        let subscription = connection.subscribe(&channel).await?;
        Ok(Self {
            connection: connection.clone(),
            keys: keys.clone(),
            messages: subscription.into_on_message(),
        })
    }

    pub(super) async fn next(&mut self) -> Result<Vec<u8>, QueueError> {
        match self.messages.next().await {
            Some(message) => Ok(message.get_payload_bytes().to_vec()),
            None => Err(QueueError::ControlLost),
        }
    }

    pub(super) async fn reply(
        &self,
        exchange: &str,
        routing_key: &str,
        headers: &Value,
        body: &Value,
    ) -> Result<(), QueueError> {
        let action = "answer a request";
        let mut pipeline = Pipeline::new();
        pipeline.smembers(self.keys.bindings(exchange));
        let (bindings,): (Vec<String>,) = self.connection.pipeline(action, &pipeline).await?;
        let text = envelope(exchange, routing_key, headers, body);
        let mut pipeline = Pipeline::new();
        for queue in bindings.iter().filter_map(|it| bound(it, routing_key)) {
            pipeline.lpush(self.keys.list(queue, 0), &text).ignore();
        }
        if pipeline.is_empty() {
            // Nobody waits any more.
            return Ok(());
        }
        self.connection.pipeline(action, &pipeline).await
    }
}

/// The queue of a binding `routing key \x06\x16 pattern \x06\x16 queue`, if it is for `routing_key`.
fn bound<'a>(binding: &'a str, routing_key: &str) -> Option<&'a str> {
    let mut parts = binding.split("\u{6}\u{16}");
    let key = parts.next()?;
    let queue = parts.nth(1)?;
    (key == routing_key).then_some(queue)
}
