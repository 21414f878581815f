//! The brokers under test, each behind the same few handles.

use std::time::Duration;

use kiuas_common::testing::TestRedis;
use kiuas_queue::broker::Broker;
use kiuas_queue::{AnyBroker, Queue, QueueSettings};
use serde_json::Value;

use crate::setup::{LEASE, kill};

/// Tasks that a consumer of the suite may hold at once.
const CONCURRENCY: usize = 8;

/// One broker, begun anew for a test.
pub(crate) trait Stage: Sized {
    /// False, loudly, where there is no such broker.
    fn is_there() -> bool {
        true
    }

    async fn start() -> Self;

    /// A client of it, whose default queue is this test's own.
    fn queue(&self) -> &Queue;

    /// A consumer that [`Stage::kill`] may end.
    fn consumer_of(&self, queues: &[String]) -> AnyBroker;

    /// Ends a consumer as the death of its process would, except that the test can still call it.
    async fn kill(&self, consumer: &AnyBroker);

    /// The broker, or the way to it, fails and comes back.
    async fn interrupt(&mut self);

    /// The dead letters of a queue, newest first: the id of the task, and why.
    async fn dead_letters(&self, queue: &str) -> Vec<(String, String)>;

    /// How many messages of a queue were put aside as no tasks.
    async fn malformed(&self, queue: &str) -> usize;

    fn default_queue(&self) -> String {
        self.queue().settings().default_queue.clone()
    }

    fn consumer(&self) -> AnyBroker {
        self.consumer_of(&[])
    }
}

/// A Redis server of the test's own.
pub(crate) struct OnRedis {
    redis: TestRedis,
    queue: Queue,
}

impl Stage for OnRedis {
    async fn start() -> Self {
        let redis = TestRedis::start_with(&["--appendonly", "yes"]);
        let queue = Queue::open(redis.queue(), QueueSettings::default()).expect("a queue");
        Self { redis, queue }
    }

    fn queue(&self) -> &Queue {
        &self.queue
    }

    fn consumer_of(&self, queues: &[String]) -> AnyBroker {
        self.queue.consumer(queues, LEASE, CONCURRENCY)
    }

    async fn kill(&self, consumer: &AnyBroker) {
        kill(&self.queue, consumer.worker_id()).await;
    }

    async fn interrupt(&mut self) {
        self.redis.stop();
        self.redis.start_again();
    }

    async fn dead_letters(&self, queue: &str) -> Vec<(String, String)> {
        let letters = list(&self.queue, &self.queue.keys().dead(queue)).await;
        letters.iter().map(|letter| evidence(letter)).collect()
    }

    async fn malformed(&self, queue: &str) -> usize {
        list(&self.queue, &self.queue.keys().malformed(queue))
            .await
            .len()
    }
}

async fn list(queue: &Queue, key: &str) -> Vec<Vec<u8>> {
    let redis = queue.redis().expect("Redis");
    let mut connection = redis.get().await.expect("a connection");
    redis::cmd("LRANGE")
        .arg(key)
        .arg(0)
        .arg(-1)
        .query_async(&mut connection)
        .await
        .expect("a list")
}

fn evidence(letter: &[u8]) -> (String, String) {
    let letter: Value = serde_json::from_slice(letter).expect("JSON");
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    (
        text(&letter["message"]["headers"]["id"]),
        text(&letter["reason"]),
    )
}

/// The memory of the test.
pub(crate) struct InMemory {
    queue: Queue,
    reader: AnyBroker,
}

impl Stage for InMemory {
    async fn start() -> Self {
        let queue = Queue::in_memory(QueueSettings::default());
        let reader = queue.consumer(&[], LEASE, CONCURRENCY);
        Self { queue, reader }
    }

    fn queue(&self) -> &Queue {
        &self.queue
    }

    /// Short leases: a consumer that does not renew its own is dead soon.
    fn consumer_of(&self, queues: &[String]) -> AnyBroker {
        let lease = Duration::from_millis(300);
        self.queue.consumer(queues, lease, CONCURRENCY)
    }

    async fn kill(&self, consumer: &AnyBroker) {
        consumer.leave().await.expect("the end of the lease");
    }

    async fn interrupt(&mut self) {}

    async fn dead_letters(&self, queue: &str) -> Vec<(String, String)> {
        let AnyBroker::Memory(reader) = &self.reader else {
            unreachable!("the queue is in memory")
        };
        let letters = reader.dead_letters(queue);
        letters.iter().map(|letter| evidence(letter)).collect()
    }

    async fn malformed(&self, queue: &str) -> usize {
        let AnyBroker::Memory(reader) = &self.reader else {
            unreachable!("the queue is in memory")
        };
        reader.malformed(queue).len()
    }
}
