//! A failing file: one clear message, and nothing of it left.

use kiuas_common::testing::TestDatabase;
use kiuas_migrate::MigrateError;

use crate::support::{POLLS, USERS, applied, exists, refused, settings, site, story, up};

#[tokio::test]
async fn a_syntax_error_names_file_line_and_statement() {
    let database = TestDatabase::create().await;
    let broken = (
        "V3__broken.sql",
        "-- Two of three.\nCREATE TABLE a ();\n\nCREATE TABEL b ();\n",
    );
    let story = refused(&database, &[USERS, POLLS, broken]).await;
    assert_eq!(
        story,
        "error: migration `V3__broken.sql` of `site` failed, line 4; it is rolled back, `site` \
         stays at version 2, applied before it: kiuas/V1__stack.sql, site/V1__users.sql, \
         site/V2__polls.sql\n\
         caused by: `CREATE TABEL b ()`: syntax error at or near \"TABEL\" (42601)"
    );
}

#[tokio::test]
async fn a_failure_without_a_position_names_its_statement_too() {
    let database = TestDatabase::create().await;
    let broken = (
        "V2__broken.sql",
        "INSERT INTO users VALUES (1);\n\n-- Again.\nINSERT INTO users\nVALUES (1);\nSELECT 1;",
    );
    let story = refused(&database, &[USERS, broken]).await;
    assert!(story.contains("failed, line 4;"), "{story}");
    assert!(
        story.contains("`INSERT INTO users VALUES (1)`: duplicate key"),
        "{story}"
    );
    assert!(
        story.contains("(23505); detail: Key (id)=(1) already exists."),
        "{story}"
    );
}

#[tokio::test]
async fn a_failing_file_leaves_the_database_at_the_version_before() {
    let database = TestDatabase::create().await;
    let broken = ("V2__broken.sql", "CREATE TABLE half (); SELECT 1 / 0");
    let Err(error) = up(&database, &[USERS, broken]).await else {
        panic!("accepted");
    };
    let MigrateError::Failed(failed) = &error else {
        panic!("{}", story(&error));
    };
    assert_eq!((failed.current, failed.line), (Some(1), Some(1)));
    assert!(!exists(&database, "half").await);
    let pending = kiuas_migrate::pending(&database.open(), &[site(&[USERS, broken])]).await;
    assert_eq!(pending.expect("pending"), ["site/V2__broken.sql"]);
    let mended = ("V2__broken.sql", "CREATE TABLE half ()");
    assert_eq!(
        applied(&database, &[USERS, mended]).await,
        ["site/V2__broken.sql"]
    );
}

#[tokio::test]
async fn a_failing_commit_is_told_as_such() {
    let database = TestDatabase::create().await;
    let deferred = (
        "V2__deferred.sql",
        "CREATE TABLE child (id int REFERENCES users DEFERRABLE INITIALLY DEFERRED);
         INSERT INTO child VALUES (7)",
    );
    let story = refused(&database, &[USERS, deferred]).await;
    assert!(story.contains("failed at its commit;"), "{story}");
    assert!(story.contains("(23503)"), "{story}");
    assert!(!exists(&database, "child").await);
}

#[tokio::test]
async fn a_commit_inside_a_file_is_refused_before_anything_runs() {
    let database = TestDatabase::create().await;
    let broken = (
        "V2__commit.sql",
        "CREATE TABLE a ();\nCOMMIT;\nSELECT 1 / 0",
    );
    let story = refused(&database, &[USERS, broken]).await;
    assert!(
        story.contains("`V2__commit.sql` of `site`, line 2"),
        "{story}"
    );
    assert!(!exists(&database, "users").await);
}

#[tokio::test]
async fn a_held_table_is_given_up_after_the_lock_timeout() {
    let database = TestDatabase::create().await;
    applied(&database, &[USERS]).await;
    let other = database.open().dedicated().await.expect("connection");
    other
        .client
        .batch_execute("BEGIN; SELECT * FROM users")
        .await
        .expect("a reader");
    let alter = ("V2__alter.sql", "ALTER TABLE users ADD COLUMN name text");
    let begin = std::time::Instant::now();
    let message = refused(&database, &[USERS, alter]).await;
    assert!(begin.elapsed() >= settings().lock_timeout.duration());
    assert!(
        begin.elapsed() < std::time::Duration::from_secs(5),
        "{:?}",
        begin.elapsed()
    );
    assert!(message.contains("migrate.lock_timeout"), "{message}");
    other.client.batch_execute("COMMIT").await.expect("commit");
    assert_eq!(
        applied(&database, &[USERS, alter]).await,
        ["site/V2__alter.sql"]
    );
}

#[tokio::test]
async fn an_endless_statement_is_ended_by_the_statement_timeout() {
    let database = TestDatabase::create().await;
    let limits = kiuas_migrate::MigrateSettings {
        statement_timeout: kiuas_common::Period::milliseconds(200),
        ..settings()
    };
    let endless = site(&[("V1__endless.sql", "SELECT 1;\nSELECT pg_sleep(60)")]);
    let error = kiuas_migrate::up(&database.settings(), &limits, &[endless]).await;
    let story = story(&error.expect_err("too long"));
    assert!(story.contains("line 2"), "{story}");
    assert!(story.contains("migrate.statement_timeout"), "{story}");
}
