//! A migration beside a site that is in use.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use kiuas_common::Period;
use kiuas_common::testing::TestDatabase;
use kiuas_migrate::MigrateSettings;

use crate::support::{USERS, applied, settings, site};

/// How often the migration has to give way before the reader ends.
const TIMES: u32 = 3;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn visitors_behind_a_migration_that_waits_for_a_long_transaction_are_served_all_the_while() {
    let database = TestDatabase::create().await;
    applied(&database, &[USERS]).await;
    let reader = database.open().dedicated().await.expect("connection");
    reader
        .client
        .batch_execute("BEGIN; SELECT * FROM users")
        .await
        .expect("a long transaction");
    let limits = MigrateSettings {
        lock_retries: 1000,
        retry_pause: Period::milliseconds(50),
        ..settings()
    };
    let sets = [site(&[
        USERS,
        ("V2__alter.sql", "ALTER TABLE users ADD COLUMN name text"),
    ])];
    let postgres = database.settings();
    let ended = Arc::new(AtomicBool::new(false));
    let served = Arc::new(AtomicU32::new(0));
    let visitors = async {
        // Ends with an error if the migration never lets it pass: the reader does not move before.
        let visitor = database.open().dedicated().await.expect("connection");
        visitor
            .client
            .batch_execute("SET statement_timeout = '15s'")
            .await
            .expect("limit");
        while !ended.load(Ordering::Relaxed) {
            visitor
                .client
                .batch_execute("SELECT * FROM users")
                .await
                .expect("a visitor's query");
            served.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let watching = async {
        give_way(&database, TIMES).await;
        let before = served.load(Ordering::Relaxed);
        while served.load(Ordering::Relaxed) <= before {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        reader
            .client
            .batch_execute("COMMIT")
            .await
            .expect("the end of the long transaction");
    };
    let migrating = async {
        let report = kiuas_migrate::up(&postgres, &limits, &sets).await;
        ended.store(true, Ordering::Relaxed);
        report
    };
    let (report, (), ()) = tokio::join!(migrating, watching, visitors);
    let report = report.expect("migrations");
    assert!(report.applied[0].tries > TIMES, "{report}");
}

/// Returns when a request for the table has been queued and withdrawn so many times.
async fn give_way(database: &TestDatabase, times: u32) {
    let watcher = database.open().dedicated().await.expect("connection");
    let query = "SELECT count(*) FROM pg_locks WHERE relation = 'users'::regclass AND NOT granted \
                 AND mode = 'AccessExclusiveLock'";
    let mut given = 0;
    let mut was_waiting = false;
    while given < times {
        let waiting: i64 = watcher
            .client
            .query_one(query, &[])
            .await
            .expect("locks")
            .get(0);
        if was_waiting && waiting == 0 {
            given += 1;
        }
        was_waiting = waiting > 0;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
