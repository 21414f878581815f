//! PostgreSQL that is not there yet, or not any more.

use std::time::Duration;

use kiuas_beat::BeatSettings;
use kiuas_common::Shutdown;
use kiuas_common::postgres::{Postgres, PostgresSettings};

use crate::support::{Stack, schedule, until};

const ENTRIES: &[(&str, u64)] = &[("fast", 200)];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_beat_outlives_postgresql_going_away() {
    let stack = Stack::start().await;
    let shutdown = Shutdown::new();
    let (health, _) = stack.beat(&schedule(ENTRIES), &shutdown);
    until("there are ticks", async || stack.count("fast").await > 5).await;
    until("it is ready", async || health.readiness().await.is_ok()).await;

    let server = server(&stack).await;
    let name = database_name(&stack);
    let away = format!(
        "ALTER DATABASE {name} ALLOW_CONNECTIONS false;
         SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
    );
    server
        .batch_execute(&away)
        .await
        .expect("the database goes");
    until("it is not ready", async || {
        health.readiness().await.is_err()
    })
    .await;
    let back = format!("ALTER DATABASE {name} ALLOW_CONNECTIONS true");
    server
        .batch_execute(&back)
        .await
        .expect("the database comes back");

    until("it is ready again", async || {
        health.readiness().await.is_ok()
    })
    .await;
    let begin = stack.count("fast").await;
    let enough = async || stack.count("fast").await > begin + 10;
    until("there are more ticks", enough).await;
    shutdown.drain(Duration::from_secs(10)).await;
    assert!(health.readiness().await.is_err(), "ready after the drain");
    stack.check_each_tick_once(ENTRIES).await;
}

#[tokio::test]
async fn a_beat_without_tables_waits_for_the_migration() {
    let stack = Stack::without_tables().await;
    let shutdown = Shutdown::new();
    let (health, _) = stack.beat(&schedule(ENTRIES), &shutdown);
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(health.readiness().await.is_err());
    stack.migrate().await;
    until("it is ready", async || health.readiness().await.is_ok()).await;
    until("there are ticks", async || stack.count("fast").await > 2).await;
    shutdown.drain(Duration::from_secs(10)).await;
}

#[tokio::test]
async fn a_lease_that_cannot_be_kept_is_refused() {
    let stack = Stack::without_tables().await;
    let settings = BeatSettings {
        lease: kiuas_common::Period::milliseconds(10),
        ..BeatSettings::default()
    };
    let beat = kiuas_beat::Beat::new(
        settings,
        stack.postgres.clone(),
        stack.queue(),
        &schedule(ENTRIES),
        kiuas_common::metrics::Metrics::new(),
    );
    let error = beat.expect_err("too short");
    assert!(
        error
            .to_string()
            .contains("`beat.lease` = 10ms is too short"),
        "{error}"
    );
}

fn database_name(stack: &Stack) -> String {
    let url = stack.database.url();
    let path = url.split('?').next().unwrap_or_default();
    path.rsplit('/').next().unwrap_or_default().to_owned()
}

/// A connection to another database of the same server.
async fn server(stack: &Stack) -> kiuas_common::postgres::Connection {
    let settings = PostgresSettings {
        url: stack
            .database
            .url()
            .replace(&database_name(stack), "postgres"),
        ..PostgresSettings::default()
    };
    let postgres = Postgres::open(&settings, "test").expect("server");
    postgres.get().await.expect("connection")
}
