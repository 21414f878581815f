//! Short words for the tests.

use std::error::Error;
use std::path::Path;
use std::process::{Command, Stdio};

use kiuas_common::Period;
use kiuas_common::testing::TestDatabase;
use kiuas_migrate::{MigrateError, MigrateSettings, MigrationSet, Report, UpOptions, Want};

pub(crate) const USERS: (&str, &str) = ("V1__users.sql", "CREATE TABLE users (id int PRIMARY KEY)");
pub(crate) const POLLS: (&str, &str) = ("V2__polls.sql", "CREATE TABLE polls (id int PRIMARY KEY)");

pub(crate) fn site(files: &[(&str, &str)]) -> MigrationSet {
    MigrationSet::from_files("site", files).expect("well-formed files")
}

/// Limits short enough to run into.
pub(crate) fn settings() -> MigrateSettings {
    MigrateSettings {
        lock_wait: Period::seconds(20),
        lock_timeout: Period::milliseconds(300),
        lock_retries: 1,
        retry_pause: Period::milliseconds(50),
        ..MigrateSettings::default()
    }
}

pub(crate) async fn up(
    database: &TestDatabase,
    files: &[(&str, &str)],
) -> Result<Report, MigrateError> {
    kiuas_migrate::up(&database.settings(), &settings(), &[site(files)]).await
}

pub(crate) async fn applied(database: &TestDatabase, files: &[(&str, &str)]) -> Vec<String> {
    let report = up(database, files).await.expect("migrations");
    report.applied.iter().map(ToString::to_string).collect()
}

pub(crate) async fn up_in(
    database: &TestDatabase,
    want: Want,
    files: &[(&str, &str)],
) -> Result<Report, MigrateError> {
    let options = UpOptions { want, dump: None };
    kiuas_migrate::up_with(&database.settings(), &settings(), &[site(files)], &options).await
}

/// A number from the database.
pub(crate) async fn number(database: &TestDatabase, query: &str) -> i64 {
    let connection = database.open().get().await.expect("connection");
    connection.query_one(query, &[]).await.expect(query).get(0)
}

/// The runner as a process, with the files of `directory`.
pub(crate) fn runner(url: &str, directory: &Path) -> Command {
    let test = std::env::current_exe().expect("path of the test");
    let target = test
        .parent()
        .and_then(Path::parent)
        .expect("target directory");
    let mut command = Command::new(target.join("examples/migrate"));
    command
        .arg(directory)
        .env("KIUAS_ENV", "testing")
        .env("KIUAS_CONFIG", directory)
        .env("KIUAS__POSTGRES__URL", url)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// A directory with `files`.
pub(crate) fn directory(files: &[(&str, &str)]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("directory");
    for (name, sql) in files {
        std::fs::write(directory.path().join(name), sql).expect("file");
    }
    directory
}

/// The error as a binary prints it: one line a cause.
pub(crate) fn story(error: &dyn Error) -> String {
    let mut text = format!("error: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!("\ncaused by: {error}"));
        cause = error.source();
    }
    text
}

pub(crate) async fn refused(database: &TestDatabase, files: &[(&str, &str)]) -> String {
    match up(database, files).await {
        Ok(report) => panic!("accepted: {report}"),
        Err(error) => story(&error),
    }
}

pub(crate) async fn exists(database: &TestDatabase, table: &str) -> bool {
    let connection = database.open().get().await.expect("connection");
    connection
        .query_one("SELECT to_regclass($1::text) IS NOT NULL", &[&table])
        .await
        .expect("answer")
        .get(0)
}

pub(crate) async fn execute(database: &TestDatabase, sql: &str) {
    let connection = database.open().get().await.expect("connection");
    connection.batch_execute(sql).await.expect(sql);
}
