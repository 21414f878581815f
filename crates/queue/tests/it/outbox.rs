//! Tasks sent with a transaction.

use std::time::Duration;

use kiuas_common::Shutdown;
use kiuas_common::postgres::Postgres;
use kiuas_common::testing::{TestDatabase, TestRedis};
use kiuas_queue::outbox::Relay;
use kiuas_queue::{Queue, QueueSettings};

use crate::setup::{Setup, call, claim, eventually, numbers};

const SCHEMA: &str = include_str!("../../../migrate/migrations/V1__stack.sql");

pub(crate) async fn database() -> (TestDatabase, Postgres) {
    let database = TestDatabase::create().await;
    let postgres = database.open();
    let connection = postgres.get().await.expect("a connection");
    connection.batch_execute(SCHEMA).await.expect("the schema");
    (database, postgres)
}

pub(crate) async fn send(queue: &Queue, postgres: &Postgres, numbers: &[i64], commit: bool) {
    let mut connection = postgres.get().await.expect("a connection");
    let transaction = connection.transaction().await.expect("a transaction");
    for number in numbers {
        queue
            .send_call_in(&transaction, call(*number))
            .await
            .expect("a written task");
    }
    if commit {
        transaction.commit().await.expect("the commit");
    } else {
        transaction.rollback().await.expect("the rollback");
    }
}

pub(crate) async fn waiting(postgres: &Postgres) -> i64 {
    let connection = postgres.get().await.expect("a connection");
    connection
        .query_one("SELECT count(*) FROM kiuas.outbox", &[])
        .await
        .expect("a count")
        .get(0)
}

#[tokio::test]
async fn a_commit_sends_once_and_a_rollback_never() {
    let (_database, postgres) = database().await;
    let setup = Setup::new();
    send(&setup.queue, &postgres, &[1], false).await;
    send(&setup.queue, &postgres, &[2, 3], true).await;
    let relay = Relay::new(postgres.clone(), setup.queue.clone());
    assert_eq!(relay.relay_all().await.expect("a relay"), 2);
    assert_eq!(relay.relay_all().await.expect("a relay"), 0);
    assert_eq!(numbers(&claim(&setup.consumer(), 10).await), [2, 3]);
}

#[tokio::test]
async fn a_running_relay_is_woken_by_the_commit() {
    let (_database, postgres) = database().await;
    let setup = Setup::new();
    let shutdown = Shutdown::new();
    let relay = Relay::new(postgres.clone(), setup.queue.clone());
    let until = shutdown.clone();
    let running = shutdown.spawn(async move { relay.run(until).await });
    // The relay listens once it has moved something.
    send(&setup.queue, &postgres, &[0], true).await;
    eventually("the relay listens", async || {
        setup.length("celery").await == 1
    })
    .await;
    let begin = std::time::Instant::now();
    send(&setup.queue, &postgres, &[1], true).await;
    eventually("the message is there", async || {
        setup.length("celery").await == 2
    })
    .await;
    let took = begin.elapsed();
    assert!(took < Duration::from_secs(3), "polled: {took:?}");
    shutdown.begin();
    running.await.expect("the relay ends");
}

#[tokio::test]
async fn an_outage_of_the_broker_loses_nothing() {
    let (_database, postgres) = database().await;
    let mut redis = TestRedis::start_with(&["--appendonly", "yes"]);
    let queue = Queue::open(redis.queue(), QueueSettings::default()).expect("a queue");
    let shutdown = Shutdown::new();
    let relay = Relay::new(postgres.clone(), queue.clone());
    let until = shutdown.clone();
    let running = shutdown.spawn(async move { relay.run(until).await });
    send(&queue, &postgres, &[1], true).await;
    eventually("the first is moved", async || waiting(&postgres).await == 0).await;
    redis.stop();
    send(&queue, &postgres, &[2, 3], true).await;
    assert_eq!(waiting(&postgres).await, 2);
    redis.start_again();
    eventually("all are moved", async || waiting(&postgres).await == 0).await;
    let consumer = queue.consumer(&[], crate::setup::LEASE, 8);
    let claimed = claim(&consumer, 10).await;
    assert_eq!(numbers(&claimed), [1, 2, 3]);
    shutdown.begin();
    running.await.expect("the relay ends");
}

#[tokio::test]
async fn several_relays_share_the_work() {
    let (_database, postgres) = database().await;
    let setup = Setup::new();
    let all: Vec<i64> = (0..1500).collect();
    send(&setup.queue, &postgres, &all, true).await;
    let relays: Vec<_> = (0..4)
        .map(|_| Relay::new(postgres.clone(), setup.queue.clone()))
        .collect();
    let moved = futures_util::future::join_all(relays.iter().map(Relay::relay_all)).await;
    let moved: u64 = moved.into_iter().map(|it| it.expect("a relay")).sum();
    assert_eq!(moved, 1500);
    let consumer = setup.consumer();
    let mut arrived = Vec::new();
    while arrived.len() < 1500 {
        arrived.extend(numbers(&claim(&consumer, 256).await));
    }
    arrived.sort_unstable();
    assert_eq!(arrived, all);
    assert!(claim(&consumer, 1).await.is_empty());
}
