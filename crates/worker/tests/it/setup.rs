//! A Redis, a client and a worker in this process.

use std::sync::Arc;
use std::time::{Duration, Instant};

use kiuas_common::metrics::Metrics;
use kiuas_common::testing::{TestRedis, rabbitmq};
use kiuas_common::{Period, Shutdown};
use kiuas_queue::{AmqpSettings, BrokerKind, Call, Queue, QueueSettings, ResultMeta, Task, TaskId};
use kiuas_worker::{Drained, Worker, WorkerSettings};
use redis::FromRedisValue;
use serde_json::Value;
use tokio::task::JoinHandle;

use crate::tasks::{State, registry, state};

pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Setup {
    pub(crate) redis: TestRedis,
    pub(crate) queue: Queue,
    pub(crate) state: Arc<State>,
    pub(crate) metrics: Metrics,
}

/// A worker that runs in this process.
pub(crate) struct Running {
    pub(crate) shutdown: Shutdown,
    handle: JoinHandle<Drained>,
}

impl Setup {
    pub(crate) fn new() -> Self {
        Self::over(TestRedis::start())
    }

    pub(crate) fn over(redis: TestRedis) -> Self {
        Self {
            queue: Queue::open(redis.queue(), QueueSettings::default()).expect("a queue"),
            redis,
            state: state(),
            metrics: Metrics::new(),
        }
    }

    /// One on RabbitMQ, with a queue of its own; none, loudly, where there is no server.
    pub(crate) fn on_rabbitmq(settings: AmqpSettings) -> Option<Self> {
        let url = rabbitmq()?;
        let settings = QueueSettings {
            broker: BrokerKind::Amqp,
            default_queue: format!("worker-{}", TaskId::random()),
            amqp: AmqpSettings { url, ..settings },
            ..QueueSettings::default()
        };
        let redis = TestRedis::start();
        let queue = Queue::open(redis.queue(), settings).expect("a queue");
        Some(Self {
            queue,
            ..Self::over(redis)
        })
    }

    /// One on each broker that is a server and is there.
    pub(crate) fn on_servers() -> Vec<Self> {
        let rabbitmq = Self::on_rabbitmq(AmqpSettings::default());
        [Self::new()].into_iter().chain(rabbitmq).collect()
    }

    /// One on each broker that is there.
    pub(crate) fn everywhere() -> Vec<Self> {
        let memory = Self {
            queue: Queue::in_memory(QueueSettings::default()),
            ..Self::new()
        };
        let rabbitmq = Self::on_rabbitmq(AmqpSettings::default());
        [Self::new(), memory].into_iter().chain(rabbitmq).collect()
    }

    pub(crate) fn worker(&self) -> Running {
        self.worker_with(WorkerSettings {
            // The default one.
            queues: Vec::new(),
            ..WorkerSettings::default()
        })
    }

    pub(crate) fn worker_with(&self, settings: WorkerSettings) -> Running {
        self.worker_on(self.queue.clone(), settings)
    }

    /// One that reaches the broker in a way of its own.
    pub(crate) fn worker_on(&self, queue: Queue, settings: WorkerSettings) -> Running {
        let worker = Worker::new(
            settings,
            queue,
            registry(),
            Arc::clone(&self.state),
            &self.metrics,
        );
        let shutdown = Shutdown::new();
        let handle = Shutdown::new().spawn(worker.run(shutdown.clone()));
        Running { shutdown, handle }
    }

    pub(crate) async fn send<T: Task<State>>(&self, task: &T) -> TaskId {
        self.queue.send(task).await.expect("a sent task")
    }

    pub(crate) async fn send_call(&self, call: Call) -> TaskId {
        self.queue.send_call(call).await.expect("a sent task")
    }

    pub(crate) async fn wait(&self, id: &TaskId) -> ResultMeta {
        self.queue.wait(id, PATIENCE).await.expect("a result")
    }

    pub(crate) async fn command<T: FromRedisValue>(&self, words: &[&str]) -> T {
        let mut connection = self
            .queue
            .redis()
            .expect("Redis")
            .get()
            .await
            .expect("a connection");
        let mut command = redis::cmd(words[0]);
        for word in &words[1..] {
            command.arg(*word);
        }
        command
            .query_async(&mut connection)
            .await
            .expect("an answer")
    }

    /// The newest dead letter of the default queue.
    pub(crate) async fn dead_letter(&self) -> Option<Value> {
        let letter: Option<String> = self.command(&["LINDEX", "celery:dead", "0"]).await;
        letter.map(|letter| serde_json::from_str(&letter).expect("JSON"))
    }
}

impl Running {
    /// Waits until it ends by itself.
    pub(crate) async fn ended(self) -> Drained {
        self.handle.await.expect("the worker ends")
    }

    /// Drains it and says how that ended.
    pub(crate) async fn stop(self) -> Drained {
        self.shutdown.begin();
        self.handle.await.expect("the worker ends")
    }
}

pub(crate) fn drain_within(milliseconds: u64) -> WorkerSettings {
    WorkerSettings {
        drain_timeout: Period::milliseconds(milliseconds),
        ..WorkerSettings::default()
    }
}

pub(crate) async fn eventually<F: AsyncFnMut() -> bool>(what: &str, mut holds: F) {
    let begin = Instant::now();
    while !holds().await {
        assert!(begin.elapsed() < PATIENCE, "never happened: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
