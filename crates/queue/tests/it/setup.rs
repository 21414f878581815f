//! A Redis of its own for each test, and shorthands to look into it.

use std::time::{Duration, Instant};

use kiuas_common::testing::TestRedis;
use kiuas_queue::broker::{Broker, Delivery};
use kiuas_queue::{AnyBroker, Call, Queue, QueueSettings, TaskId};
use redis::FromRedisValue;
use serde_json::{Map, Value, json};

pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
pub(crate) const LEASE: Duration = Duration::from_secs(10);

pub(crate) struct Setup {
    _redis: TestRedis,
    pub(crate) queue: Queue,
}

impl Setup {
    pub(crate) fn new() -> Self {
        Self::with(QueueSettings::default())
    }

    pub(crate) fn with(settings: QueueSettings) -> Self {
        let redis = TestRedis::start();
        let queue = Queue::open(redis.queue(), settings).expect("a queue");
        Self {
            _redis: redis,
            queue,
        }
    }

    pub(crate) fn consumer(&self) -> AnyBroker {
        self.consumer_with(LEASE)
    }

    pub(crate) fn consumer_with(&self, lease: Duration) -> AnyBroker {
        self.queue.consumer(&[], lease, 8)
    }

    pub(crate) async fn send(&self, number: i64) -> TaskId {
        self.queue
            .send_call(call(number))
            .await
            .expect("a sent task")
    }

    pub(crate) async fn command<T: FromRedisValue>(&self, words: &[&str]) -> T {
        command(&self.queue, words).await
    }

    pub(crate) async fn length(&self, list: &str) -> u64 {
        self.command(&["LLEN", list]).await
    }
}

/// Ends a consumer's lease as its death would, without the wait.
pub(crate) async fn kill(queue: &Queue, worker: &str) {
    let key = queue.keys().alive(worker);
    let _: u64 = command(queue, &["DEL", &key]).await;
    let index = queue.keys().unacked_index();
    let tags: Vec<String> = command(queue, &["ZRANGE", &index, "0", "-1"]).await;
    for tag in tags {
        if tag.starts_with(worker) {
            let _: u64 = command(queue, &["ZADD", &index, "1", &tag]).await;
        }
    }
}

async fn command<T: FromRedisValue>(queue: &Queue, words: &[&str]) -> T {
    let redis = queue.redis().expect("Redis");
    let mut connection = redis.get().await.expect("a connection");
    let mut command = redis::cmd(words[0]);
    for word in &words[1..] {
        command.arg(*word);
    }
    command
        .query_async(&mut connection)
        .await
        .expect("an answer")
}

pub(crate) fn call(number: i64) -> Call {
    Call::new("test.task", vec![json!(number)], Map::new())
}

pub(crate) async fn claim(consumer: &AnyBroker, most: usize) -> Vec<Delivery> {
    consumer.claim(most).await.expect("a claim").deliveries
}

/// The arguments that `call` gave.
pub(crate) fn numbers(deliveries: &[Delivery]) -> Vec<i64> {
    deliveries
        .iter()
        .map(|delivery| {
            let envelope =
                kiuas_queue::message::Envelope::parse(&delivery.raw).expect("an envelope");
            let body = envelope.body().expect("a body");
            body.0[0].as_i64().expect("a number")
        })
        .collect()
}

pub(crate) fn json(raw: &[u8]) -> Value {
    serde_json::from_slice(raw).expect("JSON")
}

pub(crate) async fn eventually<F: AsyncFnMut() -> bool>(what: &str, mut holds: F) {
    let begin = Instant::now();
    while !holds().await {
        assert!(begin.elapsed() < PATIENCE, "never happened: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
