//! The client: sends tasks and reads results.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use kiuas_common::postgres::Transaction;
use kiuas_common::redis::{Redis, RedisError};
use kiuas_common::telemetry::TraceContext;
use redis::Pipeline;
use serde_json::{Map, Value};
use tracing::{Instrument, Span, field};

use crate::call::Call;
use crate::connection::SharedConnection;
use crate::error::QueueError;
use crate::message::{Outgoing, TaskId};
use crate::outbox;
use crate::redis::{Keys, RedisBroker};
use crate::result::ResultMeta;
use crate::settings::QueueSettings;
use crate::task::Task;

/// Sends tasks and reads results. Clones share one connection, which is opened at the first use.
#[derive(Debug, Clone)]
pub struct Queue {
    connection: SharedConnection,
    settings: Arc<QueueSettings>,
    keys: Keys,
}

impl Queue {
    /// A client of the queue database. Opens no connection yet.
    #[must_use]
    pub fn new(redis: Redis, settings: QueueSettings) -> Self {
        Self {
            keys: Keys::new(&settings.key_prefix),
            connection: SharedConnection::new(redis),
            settings: Arc::new(settings),
        }
    }

    /// The settings it was made with.
    #[must_use]
    pub fn settings(&self) -> &QueueSettings {
        &self.settings
    }

    /// Names of the keys.
    #[must_use]
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// The queue's Redis database.
    #[must_use]
    pub fn redis(&self) -> &Redis {
        self.connection.redis()
    }

    /// A consumer of `queues` for a worker. `lease` is how long the worker may be silent before its
    /// tasks are given to others.
    #[must_use]
    pub fn consumer(&self, queues: &[String], lease: Duration) -> RedisBroker {
        RedisBroker::new(
            self.redis().clone(),
            Arc::clone(&self.settings),
            queues,
            lease,
        )
    }

    /// Sends `task` now. When this returns `Ok`, Redis has it.
    ///
    /// # Errors
    /// Redis did not confirm. The task may have been sent all the same if the connection broke in
    /// between.
    pub async fn send<S, T: Task<S>>(&self, task: &T) -> Result<TaskId, QueueError> {
        self.send_call(Call::of(task)?).await
    }

    /// Sends `task` if and when `transaction` commits.
    ///
    /// # Errors
    /// PostgreSQL refused the insert; the transaction is broken then.
    pub async fn send_in<S, T: Task<S>>(
        &self,
        transaction: &Transaction<'_>,
        task: &T,
    ) -> Result<TaskId, QueueError> {
        self.send_call_in(transaction, Call::of(task)?).await
    }

    /// Sends a task by name, wherever it is implemented, to `queue` or the default queue.
    ///
    /// # Errors
    /// As [`Queue::send`].
    pub async fn send_raw(
        &self,
        name: &str,
        args: Vec<Value>,
        kwargs: Map<String, Value>,
        queue: Option<&str>,
    ) -> Result<TaskId, QueueError> {
        let mut call = Call::new(name, args, kwargs);
        call.options.queue = queue.map(str::to_owned);
        self.send_call(call).await
    }

    /// Sends a call with options of its own.
    ///
    /// # Errors
    /// As [`Queue::send`].
    pub async fn send_call(&self, call: Call) -> Result<TaskId, QueueError> {
        let span = producer_span(&call);
        let message = self.message(call, &span)?;
        self.push(std::slice::from_ref(&message))
            .instrument(span)
            .await?;
        Ok(message.id)
    }

    /// Sends a call with options of its own if and when `transaction` commits.
    ///
    /// # Errors
    /// As [`Queue::send_in`].
    pub async fn send_call_in(
        &self,
        transaction: &Transaction<'_>,
        call: Call,
    ) -> Result<TaskId, QueueError> {
        let span = producer_span(&call);
        let message = self.message(call, &span)?;
        outbox::insert(transaction, &message)
            .instrument(span)
            .await?;
        Ok(message.id)
    }

    /// The message of `call`, not sent.
    ///
    /// # Errors
    /// It cannot be written as JSON, or is too long.
    pub fn prepare(&self, call: Call) -> Result<Outgoing, QueueError> {
        call.message(&self.settings.default_queue, TraceContext::current())
    }

    fn message(&self, call: Call, span: &Span) -> Result<Outgoing, QueueError> {
        let message = call.message(&self.settings.default_queue, TraceContext::of(span))?;
        span.record("task.id", message.id.as_str());
        span.record("messaging.destination.name", message.queue.as_str());
        Ok(message)
    }

    /// Puts messages into their queues, in order, in one round trip.
    ///
    /// # Errors
    /// As [`Queue::send`].
    pub async fn push(&self, messages: &[Outgoing]) -> Result<(), QueueError> {
        let mut pipeline = Pipeline::new();
        for message in messages {
            pipeline
                .lpush(
                    self.keys.list(&message.queue, message.priority),
                    message.text.as_str(),
                )
                .ignore();
        }
        self.connection.pipeline("take a task", &pipeline).await
    }

    /// What is stored about a task; `None` if nothing is: unknown, still waiting or running, or
    /// expired.
    ///
    /// # Errors
    /// Redis did not answer, or what is stored is no result.
    pub async fn result(&self, id: &TaskId) -> Result<Option<ResultMeta>, QueueError> {
        let mut pipeline = Pipeline::new();
        pipeline.get(self.keys.result(id));
        let (text,): (Option<Vec<u8>>,) =
            self.connection.pipeline("read a result", &pipeline).await?;
        text.map(|text| parse_result(id, &text)).transpose()
    }

    /// Waits for a task's end, at most so long, without polling.
    ///
    /// # Errors
    /// [`QueueError::NoResult`] when the time is over; else as [`Queue::result`].
    pub async fn wait(&self, id: &TaskId, at_most: Duration) -> Result<ResultMeta, QueueError> {
        match tokio::time::timeout(at_most, self.await_end(id)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(QueueError::NoResult {
                id: id.to_string(),
                waited: at_most,
            }),
        }
    }

    async fn await_end(&self, id: &TaskId) -> Result<ResultMeta, QueueError> {
        let redis = self.redis();
        let failed = |source| {
            QueueError::Connection(RedisError::Connect {
                database: redis.database(),
                source,
            })
        };
        let mut subscription = redis.client().get_async_pubsub().await.map_err(failed)?;
        // The channel has the key's name. Subscribe first, read then: no end falls in between.
        subscription
            .subscribe(self.keys.result(id))
            .await
            .map_err(failed)?;
        let ended = |meta: &ResultMeta| meta.status.is_final();
        if let Some(meta) = self.result(id).await?.filter(ended) {
            return Ok(meta);
        }
        let mut messages = subscription.into_on_message();
        while let Some(message) = messages.next().await {
            let meta = parse_result(id, message.get_payload_bytes())?;
            if ended(&meta) {
                return Ok(meta);
            }
        }
        Err(QueueError::Interrupted { id: id.to_string() })
    }
}

fn parse_result(id: &TaskId, text: &[u8]) -> Result<ResultMeta, QueueError> {
    serde_json::from_slice(text).map_err(|source| QueueError::Result {
        id: id.to_string(),
        source,
    })
}

fn producer_span(call: &Call) -> Span {
    tracing::info_span!(
        "send",
        otel.name = %format_args!("send {}", call.name),
        otel.kind = "producer",
        messaging.system = "redis",
        messaging.operation.name = "send",
        messaging.destination.name = field::Empty,
        task.name = %call.name,
        task.id = field::Empty,
    )
}
