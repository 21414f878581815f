//! Where results are: in Redis, or in the memory of the memory broker.

mod chord;

use std::sync::LazyLock;

use futures_util::StreamExt;
use kiuas_common::Period;
use redis::{FromRedisValue, Pipeline, Script, ScriptInvocation};

use crate::connection::SharedConnection;
use crate::error::QueueError;
use crate::memory::Store;
use crate::message::{MessageError, TaskId};
use crate::redis::Keys;
use crate::result::ResultMeta;

pub(crate) use chord::Chord;

static STORE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("redis/lua/store.lua")));

/// The place of results.
#[derive(Debug, Clone)]
#[expect(
    clippy::large_enum_variant,
    reason = "a process has a few, of one kind"
)]
pub(crate) enum Results {
    /// Celery's Redis backend.
    Redis(SharedConnection, Keys),
    /// Beside the queues.
    Memory(Store),
}

impl Results {
    /// What is stored about a task.
    pub(crate) async fn get(&self, id: &TaskId) -> Result<Option<ResultMeta>, QueueError> {
        let (connection, keys) = match self {
            Self::Redis(connection, keys) => (connection, keys),
            Self::Memory(store) => return Ok(store.result(id)),
        };
        let mut pipeline = Pipeline::new();
        pipeline.get(keys.result(id));
        let (text,): (Option<Vec<u8>>,) = connection.pipeline("read a result", &pipeline).await?;
        text.map(|text| parse(id, &text)).transpose()
    }

    /// Waits for a task's end, without polling.
    pub(crate) async fn await_end(&self, id: &TaskId) -> Result<ResultMeta, QueueError> {
        match self {
            Self::Redis(connection, keys) => self.subscribe(connection, keys, id).await,
            Self::Memory(store) => Ok(store.await_end(id).await),
        }
    }

    /// Stores results; a success is never overwritten.
    pub(crate) async fn store(
        &self,
        results: &[ResultMeta],
        period: Period,
    ) -> Result<(), QueueError> {
        if results.is_empty() {
            return Ok(());
        }
        let (connection, keys) = match self {
            Self::Redis(connection, keys) => (connection, keys),
            Self::Memory(store) => {
                store.store(results, period.duration());
                return Ok(());
            }
        };
        let mut call = STORE.prepare_invoke();
        call.arg(period.duration().as_secs().max(1));
        for meta in results {
            let text = serde_json::to_vec(meta).map_err(MessageError::Write)?;
            call.key(keys.result(&meta.task_id)).arg(text);
        }
        let _: u64 = connection.script("store a result", &call).await?;
        Ok(())
    }

    /// Runs a script beside the results.
    pub(crate) async fn script<T: FromRedisValue>(
        &self,
        action: &'static str,
        call: &ScriptInvocation<'_>,
    ) -> Result<T, QueueError> {
        match self {
            Self::Redis(connection, _) => connection.script(action, call).await,
            Self::Memory(_) => Err(QueueError::NoRedis { action }),
        }
    }

    async fn subscribe(
        &self,
        connection: &SharedConnection,
        keys: &Keys,
        id: &TaskId,
    ) -> Result<ResultMeta, QueueError> {
        // The channel has the key's name. Subscribe first, read then: no end falls in between.
        let subscription = connection.subscribe(&keys.result(id)).await?;
        let ended = |meta: &ResultMeta| meta.status.is_final();
        if let Some(meta) = self.get(id).await?.filter(ended) {
            return Ok(meta);
        }
        let mut messages = subscription.into_on_message();
        while let Some(message) = messages.next().await {
            let meta = parse(id, message.get_payload_bytes())?;
            if ended(&meta) {
                return Ok(meta);
            }
        }
        Err(QueueError::Interrupted { id: id.to_string() })
    }
}

fn parse(id: &TaskId, text: &[u8]) -> Result<ResultMeta, QueueError> {
    serde_json::from_slice(text).map_err(|source| QueueError::Result {
        id: id.to_string(),
        source,
    })
}
