//! Several runners on one database.

use std::time::Duration;

use kiuas_common::Period;
use kiuas_common::testing::TestDatabase;
use kiuas_migrate::{MigrateError, MigrateSettings};

use crate::support::{USERS, applied, directory, exists, runner, settings, site, story};

/// Slow enough that every other runner arrives while it runs.
const SLOW: (&str, &str) = ("V2__slow.sql", "SELECT pg_sleep(2); CREATE TABLE slow ()");

#[tokio::test]
async fn of_eight_runners_one_works_and_the_others_find_nothing_to_do() {
    let database = TestDatabase::create().await;
    let files = directory(&[USERS, SLOW]);
    let runners: Vec<_> = (0..8)
        .map(|_| {
            runner(&database.url(), files.path())
                .spawn()
                .expect("runner")
        })
        .collect();
    let mut said = Vec::new();
    for runner in runners {
        let output = runner.wait_with_output().expect("the end of a runner");
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{errors}");
        said.push(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let idle = said
        .iter()
        .filter(|text| text.contains("nothing to do"))
        .count();
    let busy = said
        .iter()
        .filter(|text| text.contains("3 migrations applied"))
        .count();
    assert_eq!((idle, busy), (7, 1), "{said:?}");
}

#[tokio::test]
async fn a_runner_that_gives_up_says_who_holds_the_lock() {
    let database = TestDatabase::create().await;
    let patient = settings();
    let hasty = MigrateSettings {
        lock_wait: Period::milliseconds(300),
        ..settings()
    };
    let sets = [site(&[("V1__slow.sql", "SELECT pg_sleep(3)")])];
    let postgres = database.settings();
    let first = kiuas_migrate::up(&postgres, &patient, &sets);
    let second = async {
        // Until the first one is in its file.
        let watcher = database.open().get().await.expect("connection");
        loop {
            let query = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(3)' \
                         AND datname = current_database() AND pid <> pg_backend_pid()";
            let running: i64 = watcher.query_one(query, &[]).await.expect("count").get(0);
            if running > 0 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        kiuas_migrate::up(&postgres, &hasty, &sets).await
    };
    let (first, second) = tokio::join!(first, second);
    first.expect("the first runner");
    let error = second.expect_err("the second runner");
    assert!(
        matches!(error, MigrateError::Locked { .. }),
        "{}",
        story(&error)
    );
    let story = story(&error);
    assert!(
        story.contains("`kiuas migrate` (PostgreSQL pid "),
        "{story}"
    );
    assert!(
        story.contains("last statement `SELECT pg_sleep(3)`"),
        "{story}"
    );
}

#[tokio::test]
async fn a_runner_that_died_leaves_no_lock_and_nothing_half_done() {
    let database = TestDatabase::create().await;
    let sets = [site(&[
        USERS,
        ("V2__slow.sql", "CREATE TABLE slow (); SELECT pg_sleep(60)"),
    ])];
    let limits = settings();
    let postgres = database.settings();
    {
        let dying = kiuas_migrate::up(&postgres, &limits, &sets);
        // Dropped in mid-file: its connection closes as if the process had been killed.
        let outcome = tokio::time::timeout(Duration::from_secs(2), dying).await;
        assert!(outcome.is_err(), "it ended by itself: {outcome:?}");
    }
    let mended = ("V2__slow.sql", "CREATE TABLE slow ()");
    assert_eq!(
        applied(&database, &[USERS, mended]).await,
        ["site/V2__slow.sql"]
    );
    assert!(exists(&database, "slow").await);
}
