//! The client: sends tasks and reads results.

mod control;
mod workflow;

use std::sync::Arc;
use std::time::{Duration, Instant};

use kiuas_common::Period;
use kiuas_common::postgres::Transaction;
use kiuas_common::redis::Redis;
use kiuas_common::telemetry::TraceContext;
use redis::Pipeline;
use serde_json::{Map, Value};
use tracing::{Instrument, Span, field};

use crate::amqp::{AmqpBroker, AmqpClient, Parts};
use crate::any::AnyBroker;
use crate::call::Call;
use crate::connection::SharedConnection;
use crate::error::QueueError;
use crate::memory::{MemoryBroker, Store};
use crate::message::{Outgoing, TaskId};
use crate::outbox;
use crate::redis::{Keys, RedisBroker};
use crate::result::ResultMeta;
use crate::results::Results;
use crate::settings::{BrokerKind, QueueSettings};
use crate::task::Task;

/// Pause between two looks for a broker that is away.
const RETRY_PAUSE: Duration = Duration::from_millis(300);

/// Sends tasks and reads results. Clones share their connections, which are opened at the first use.
#[derive(Debug, Clone)]
pub struct Queue {
    transport: Transport,
    results: Results,
    settings: Arc<QueueSettings>,
    keys: Keys,
}

/// What carries the messages.
#[derive(Debug, Clone)]
#[expect(
    clippy::large_enum_variant,
    reason = "a process has a few, of one kind"
)]
enum Transport {
    Redis(SharedConnection),
    Amqp(AmqpClient),
    Memory(Store),
}

impl Queue {
    /// A client of the broker that `settings` name. `redis` is the queue's database, where results
    /// are too. Opens no connection yet.
    ///
    /// # Errors
    /// A setting of the broker is wrong.
    pub fn open(redis: Redis, settings: QueueSettings) -> Result<Self, QueueError> {
        let connection = SharedConnection::new(redis);
        Ok(match settings.broker {
            BrokerKind::Redis => {
                let keys = Keys::new(&settings.key_prefix);
                let results = Results::Redis(connection.clone(), keys);
                Self::with(Transport::Redis(connection), results, settings)
            }
            BrokerKind::Amqp => {
                let client = AmqpClient::new(&settings.amqp)?;
                let keys = Keys::new(&settings.key_prefix);
                let results = Results::Redis(connection, keys);
                Self::with(Transport::Amqp(client), results, settings)
            }
            BrokerKind::Memory => Self::in_memory(settings),
        })
    }

    /// A broker in this process's memory, results included: everything that is made from clones of
    /// this queue shares it.
    #[must_use]
    pub fn in_memory(settings: QueueSettings) -> Self {
        let store = Store::default();
        let results = Results::Memory(store.clone());
        Self::with(Transport::Memory(store), results, settings)
    }

    fn with(transport: Transport, results: Results, settings: QueueSettings) -> Self {
        Self {
            transport,
            results,
            keys: Keys::new(&settings.key_prefix),
            settings: Arc::new(settings),
        }
    }

    /// The settings it was made with.
    #[must_use]
    pub fn settings(&self) -> &QueueSettings {
        &self.settings
    }

    /// Names of the keys in Redis.
    #[must_use]
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// The Redis database of the queue or of the results; none if everything is in memory.
    #[must_use]
    pub fn redis(&self) -> Option<&Redis> {
        match &self.results {
            Results::Redis(connection, _) => Some(connection.redis()),
            Results::Memory(_) => None,
        }
    }

    /// A consumer of `queues` (none: the default queue) for a worker. `lease` is how long the worker
    /// may be silent before its tasks are given to others, `concurrency` how many it runs at once.
    #[must_use]
    pub fn consumer(&self, queues: &[String], lease: Duration, concurrency: usize) -> AnyBroker {
        let queues = match queues {
            [] => vec![self.settings.default_queue.clone()],
            queues => queues.to_vec(),
        };
        let settings = Arc::clone(&self.settings);
        match &self.transport {
            Transport::Redis(connection) => {
                let redis = connection.redis().clone();
                AnyBroker::Redis(RedisBroker::new(redis, settings, queues, lease))
            }
            Transport::Amqp(client) => {
                let parts = Parts {
                    settings,
                    keys: self.keys.clone(),
                    results: self.results.clone(),
                    queues,
                    concurrency,
                };
                AnyBroker::Amqp(AmqpBroker::new(client, parts))
            }
            Transport::Memory(store) => {
                AnyBroker::Memory(MemoryBroker::new(store.clone(), settings, queues, lease))
            }
        }
    }

    /// Asks the broker, and the place of the results, whether they answer.
    ///
    /// # Errors
    /// One does not.
    pub async fn ping(&self) -> Result<(), QueueError> {
        if let Transport::Amqp(client) = &self.transport {
            client.ping().await?;
        }
        match self.redis() {
            Some(redis) => Ok(redis.ping().await?),
            None => Ok(()),
        }
    }

    /// Waits until the broker and the place of the results answer: services may start in any order.
    ///
    /// # Errors
    /// The last failure, when `patience` is over.
    pub async fn wait_until_reachable(&self, patience: Period) -> Result<(), QueueError> {
        let begin = Instant::now();
        if let Some(redis) = self.redis() {
            redis.wait(patience).await?;
        }
        while let Err(error) = self.ping().await {
            if begin.elapsed() >= patience.duration() {
                return Err(error);
            }
            tracing::debug!(%error, "waiting for the tasks' broker");
            tokio::time::sleep(RETRY_PAUSE).await;
        }
        Ok(())
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
        let span = producer_span(&call, self.settings.broker);
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
        let span = producer_span(&call, self.settings.broker);
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
        match &self.transport {
            Transport::Redis(connection) => self.push_to_redis(connection, messages).await,
            Transport::Amqp(client) => Ok(client.push(messages).await?),
            Transport::Memory(store) => store.push(messages),
        }
    }

    async fn push_to_redis(
        &self,
        connection: &SharedConnection,
        messages: &[Outgoing],
    ) -> Result<(), QueueError> {
        let mut pipeline = Pipeline::new();
        for message in messages {
            pipeline
                .lpush(
                    self.keys.list(&message.queue, message.priority),
                    message.text.as_str(),
                )
                .ignore();
        }
        connection.pipeline("take a task", &pipeline).await
    }

    /// What is stored about a task; `None` if nothing is: unknown, still waiting or running, or
    /// expired.
    ///
    /// # Errors
    /// Redis did not answer, or what is stored is no result.
    pub async fn result(&self, id: &TaskId) -> Result<Option<ResultMeta>, QueueError> {
        self.results.get(id).await
    }

    /// Waits for a task's end, at most so long, without polling.
    ///
    /// # Errors
    /// [`QueueError::NoResult`] when the time is over; else as [`Queue::result`].
    pub async fn wait(&self, id: &TaskId, at_most: Duration) -> Result<ResultMeta, QueueError> {
        match tokio::time::timeout(at_most, self.results.await_end(id)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(QueueError::NoResult {
                id: id.to_string(),
                waited: at_most,
            }),
        }
    }
}

fn producer_span(call: &Call, broker: BrokerKind) -> Span {
    tracing::info_span!(
        "send",
        otel.name = %format_args!("send {}", call.name),
        otel.kind = "producer",
        messaging.system = broker.system(),
        messaging.operation.name = "send",
        messaging.destination.name = field::Empty,
        task.name = %call.name,
        task.id = field::Empty,
    )
}
