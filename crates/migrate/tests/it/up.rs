//! What `up` applies and what it leaves alone.

use std::time::{Duration, Instant};

use kiuas_common::Period;
use kiuas_common::testing::TestDatabase;
use kiuas_migrate::{MigrateSettings, MigrationSet};

use crate::support::{POLLS, USERS, applied, execute, exists, settings, site, story, up};

mod embedded {
    refinery::embed_migrations!("tests/embedded");
}

#[tokio::test]
async fn the_stacks_tables_come_before_the_applications() {
    let database = TestDatabase::create().await;
    let order = applied(&database, &[USERS, POLLS]).await;
    assert_eq!(
        order,
        [
            "kiuas/V1__stack.sql",
            "site/V1__users.sql",
            "site/V2__polls.sql"
        ]
    );
    for table in [
        "kiuas.outbox",
        "kiuas.beat_tick",
        "kiuas.refinery_schema_history",
        "polls",
    ] {
        assert!(exists(&database, table).await, "{table}");
    }
}

#[tokio::test]
async fn a_second_run_finds_nothing_to_do() {
    let database = TestDatabase::create().await;
    applied(&database, &[USERS]).await;
    let report = up(&database, &[USERS]).await.expect("migrations");
    assert_eq!(
        report.to_string(),
        "nothing to do: every migration is applied\n"
    );
    assert_eq!(
        applied(&database, &[USERS, POLLS]).await,
        ["site/V2__polls.sql"]
    );
}

#[tokio::test]
async fn embedded_files_are_applied() {
    let database = TestDatabase::create().await;
    let set = MigrationSet::embedded("site", &embedded::migrations::runner());
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/embedded");
    set.check_directory(directory.as_ref())
        .expect("every file is embedded");
    kiuas_migrate::up(&database.settings(), &settings(), &[set])
        .await
        .expect("migrations");
    assert!(exists(&database, "embedded_first").await);
}

#[tokio::test]
async fn pending_files_are_told_until_they_are_applied() {
    let database = TestDatabase::create().await;
    let postgres = database.open();
    let files = [site(&[USERS, POLLS])];
    applied(&database, &[USERS]).await;
    let pending = kiuas_migrate::pending(&postgres, &files)
        .await
        .expect("pending");
    assert_eq!(pending, ["site/V2__polls.sql"]);
    applied(&database, &[USERS, POLLS]).await;
    let pending = kiuas_migrate::pending(&postgres, &files)
        .await
        .expect("pending");
    assert!(pending.is_empty(), "{pending:?}");
}

#[tokio::test]
async fn a_database_ahead_of_the_build_keeps_it_ready() {
    let database = TestDatabase::create().await;
    applied(&database, &[USERS, POLLS]).await;
    let pending = kiuas_migrate::pending(&database.open(), &[site(&[USERS])]).await;
    assert!(pending.expect("pending").is_empty());
}

#[tokio::test]
async fn a_files_session_settings_end_with_the_file() {
    let database = TestDatabase::create().await;
    execute(&database, "CREATE SCHEMA elsewhere").await;
    let first = (
        "V1__path.sql",
        "SET search_path = elsewhere; SET lock_timeout = 0; CREATE TABLE a ()",
    );
    let second = ("V2__plain.sql", "CREATE TABLE b ()");
    applied(&database, &[first, second]).await;
    assert!(exists(&database, "elsewhere.a").await);
    assert!(exists(&database, "public.b").await);
}

#[tokio::test]
async fn files_with_the_same_text_are_told_apart() {
    let database = TestDatabase::create().await;
    let files = [("V1__one.sql", "SELECT 1"), ("V2__two.sql", "SELECT 1")];
    assert_eq!(
        applied(&database, &files).await,
        [
            "kiuas/V1__stack.sql",
            "site/V1__one.sql",
            "site/V2__two.sql"
        ]
    );
}

#[tokio::test]
async fn a_server_that_does_not_come_up_is_waited_for_with_a_limit() {
    let directory = tempfile::tempdir().expect("directory");
    let postgres = kiuas_common::postgres::PostgresSettings {
        url: format!("postgres:///x?host={}&user=x", directory.path().display()),
        ..Default::default()
    };
    let settings = MigrateSettings {
        wait_timeout: Period::milliseconds(500),
        ..settings()
    };
    let begin = Instant::now();
    let error = kiuas_migrate::up(&postgres, &settings, &[])
        .await
        .expect_err("no server");
    assert!(begin.elapsed() >= Duration::from_millis(500));
    assert!(begin.elapsed() < Duration::from_secs(10));
    assert!(
        story(&error).contains("did not answer within 500ms"),
        "{}",
        story(&error)
    );
}

#[tokio::test]
async fn a_database_that_comes_up_late_is_migrated() {
    let server = TestDatabase::create().await;
    let mut settings = server.settings();
    settings.url = settings.url.replace("/test_", "/late_test_");
    let name = settings
        .url
        .split('?')
        .next()
        .and_then(|url| url.rsplit('/').next());
    let name = name.expect("name").to_owned();
    let limits = self::settings();
    let migrating = kiuas_migrate::up(&settings, &limits, &[]);
    let creating = async {
        tokio::time::sleep(Duration::from_millis(700)).await;
        execute(&server, &format!("CREATE DATABASE {name}")).await;
    };
    let (report, ()) = tokio::join!(migrating, creating);
    execute(&server, &format!("DROP DATABASE {name} WITH (FORCE)")).await;
    assert_eq!(report.expect("migrations").applied.len(), 1);
}
