//! A worker that is killed loses no task: what it was doing is done again, soon.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::json;

use crate::harness::eventually::{PATIENCE, eventually};
use crate::harness::ground::Options;
use crate::harness::message;
use crate::harness::run::say;
use crate::harness::stack::Stack;
use crate::harness::tree;

const TASKS: usize = 500;
/// How long one task sleeps.
const SLEEP_SECONDS: f64 = 0.1;
/// The promise: an interrupted task has begun again by then.
const AGAIN: Duration = Duration::from_secs(15);

#[tokio::test]
async fn a_killed_workers_task_runs_again_within_15_seconds_and_none_is_lost() {
    let stack = Stack::start(Options::default()).await;
    let database = stack.ground.database.open();
    let queue = stack.ground.redis.queue();
    // One task that is certainly in the middle when the worker dies, and many around it.
    let long = message::send_many(
        &queue,
        "demo.sleep",
        1,
        |_| json!({"key": "long", "seconds": 4.0}),
    )
    .await;
    let short = message::send_many(
        &queue,
        "demo.sleep",
        TASKS - 1,
        |_| json!({"key": "short", "seconds": SLEEP_SECONDS}),
    )
    .await;
    eventually("the long task to begin", PATIENCE, async || {
        (deliveries(&database, &long[0]).await >= 1).then_some(())
    })
    .await;

    let children = Stack::children(&stack.worker);
    assert_eq!(children.len(), 1, "{children:?}");
    tree::signal(children[0].pid, Signal::KILL);
    let killed = Instant::now();

    eventually(
        "the interrupted task to begin again",
        PATIENCE,
        async || (deliveries(&database, &long[0]).await >= 2).then_some(()),
    )
    .await;
    let again = killed.elapsed();
    say(&format!("the interrupted task ran again after {again:?}"));
    assert!(again <= AGAIN, "it began again only after {again:?}");
    eventually("all tasks to finish", PATIENCE, async || {
        (finished(&database).await == TASKS).then_some(())
    })
    .await;
    assert_eq!(known(&database, &short).await, TASKS - 1);
    stack.stop().await;
}

type Postgres = kiuas_common::postgres::Postgres;

/// How many times a task has begun.
async fn deliveries(database: &Postgres, id: &str) -> i32 {
    let connection = database.get().await.expect("connection");
    let row = connection
        .query_opt("SELECT deliveries FROM demo_run WHERE task_id = $1", &[&id])
        .await
        .expect("query");
    row.map_or(0, |row| row.get(0))
}

async fn finished(database: &Postgres) -> usize {
    count(
        database,
        "SELECT count(*) FROM demo_run WHERE finished_at IS NOT NULL",
    )
    .await
}

/// How many of these ids have finished.
async fn known(database: &Postgres, ids: &[String]) -> usize {
    let connection = database.get().await.expect("connection");
    let row = connection
        .query_one(
            "SELECT count(*) FROM demo_run WHERE finished_at IS NOT NULL AND task_id = ANY($1)",
            &[&ids],
        )
        .await
        .expect("query");
    usize::try_from(row.get::<_, i64>(0)).expect("a count")
}

async fn count(database: &Postgres, query: &str) -> usize {
    let connection = database.get().await.expect("connection");
    let row = connection.query_one(query, &[]).await.expect("query");
    usize::try_from(row.get::<_, i64>(0)).expect("a count")
}
