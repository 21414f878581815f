//! SIGKILL at every boundary between statements.

use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};

use kiuas_common::testing::TestDatabase;
use kiuas_migrate::State;

use crate::support::{directory, execute, number, runner, settings, site, story};
use crate::wire::{Side, Wire};

const FILES: &[(&str, &str)] = &[
    ("V1__users.sql", "CREATE TABLE users AS SELECT 1 AS id"),
    (
        "V2__index.sql",
        "-- migrate: no-transaction\nINSERT INTO users VALUES (2);\n\
         CREATE UNIQUE INDEX CONCURRENTLY users_id ON users (id);\n\
         CREATE INDEX CONCURRENTLY users_old ON users (id);\n\
         DROP INDEX CONCURRENTLY users_old;\nINSERT INTO users VALUES (3)",
    ),
    ("V3__row.sql", "INSERT INTO users VALUES (4)"),
];
/// More than there are: the loop ends when a runner comes through.
const MANY: usize = 200;
const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::test]
async fn a_runner_killed_before_any_statement_is_completed_by_the_next_one() {
    kill_at_each(Side::Before).await;
}

#[tokio::test]
async fn a_runner_killed_behind_any_statement_is_completed_by_the_next_one() {
    kill_at_each(Side::Behind).await;
}

async fn kill_at_each(side: Side) {
    let database = TestDatabase::create().await;
    kiuas_migrate::up(&database.settings(), &settings(), &[])
        .await
        .expect("the stack's tables");
    let files = directory(FILES);
    let url = database.url();
    let server = url
        .split_once("host=")
        .expect("a socket")
        .1
        .split('&')
        .next()
        .expect("directory");
    let mut killed = 0;
    for statement in 0..MANY {
        let wire = Wire::cut(Path::new(server), statement, side);
        let through = url.replace(server, &wire.host().display().to_string());
        let runner = runner(&through, files.path()).spawn().expect("runner");
        if came_through(runner, &wire) {
            break;
        }
        killed += 1;
        complete(&database, statement).await;
        execute(
            &database,
            "DROP TABLE users; DELETE FROM refinery_schema_history",
        )
        .await;
    }
    // Limits, history, and at least two for each statement of the files.
    assert!((12..MANY).contains(&killed), "{killed}");
}

/// Kills the runner when its statement has come; true if it ended before.
fn came_through(mut runner: Child, wire: &Wire) -> bool {
    let begin = Instant::now();
    while begin.elapsed() < PATIENCE {
        if wire.reached.recv_timeout(Duration::from_millis(10)).is_ok() {
            runner.kill().expect("SIGKILL");
            runner.wait().expect("the end");
            return false;
        }
        if let Some(status) = runner.try_wait().expect("status") {
            assert!(status.success(), "{status}");
            return true;
        }
    }
    drop(runner.kill());
    panic!("the runner neither ended nor came to its statement");
}

async fn complete(database: &TestDatabase, statement: usize) {
    let sets = [site(FILES)];
    if let Err(error) = kiuas_migrate::up(&database.settings(), &settings(), &sets).await {
        panic!("killed at {statement}: {}", story(&error));
    }
    let status = kiuas_migrate::status(&database.settings(), &settings(), &sets)
        .await
        .expect("status");
    let mut states = status.sets[1].entries.iter().map(|entry| entry.state);
    assert!(
        states.all(|state| state == State::Applied),
        "killed at {statement}: {status}"
    );
    for (query, expected) in [
        ("SELECT count(*) FROM users", 4),
        (
            "SELECT count(*) FROM pg_index WHERE indrelid = 'users'::regclass AND indisvalid",
            1,
        ),
        ("SELECT count(*) FROM pg_index WHERE NOT indisvalid", 0),
        ("SELECT count(*) FROM kiuas.migrate_progress", 0),
    ] {
        assert_eq!(
            number(database, query).await,
            expected,
            "killed at {statement}: {query}"
        );
    }
}
