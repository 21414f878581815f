//! Files and history that contradict one another.

use kiuas_common::testing::TestDatabase;
use kiuas_migrate::{MigrateSettings, State};

use crate::support::{POLLS, USERS, applied, execute, exists, refused, site};

const LATER: (&str, &str) = ("V3__later.sql", "CREATE TABLE later ()");

#[tokio::test]
async fn a_changed_file_stops_everything_and_is_named() {
    let database = TestDatabase::create().await;
    applied(&database, &[USERS, POLLS]).await;
    let changed = (
        "V2__polls.sql",
        "CREATE TABLE polls (id bigint PRIMARY KEY)",
    );
    let story = refused(&database, &[USERS, changed, LATER]).await;
    assert!(
        story.contains("`V2__polls.sql` of `site` was changed after"),
        "{story}"
    );
    assert!(!exists(&database, "later").await);
}

#[tokio::test]
async fn a_missing_file_stops_everything_and_is_named() {
    let database = TestDatabase::create().await;
    applied(&database, &[USERS, POLLS]).await;
    let story = refused(&database, &[USERS, LATER]).await;
    assert!(
        story.contains("`V2__polls.sql` of `site` was applied at 20"),
        "{story}"
    );
    assert!(!exists(&database, "later").await);
}

#[tokio::test]
async fn a_file_below_the_current_version_is_refused() {
    let database = TestDatabase::create().await;
    applied(&database, &[USERS, LATER]).await;
    let story = refused(&database, &[USERS, POLLS, LATER]).await;
    assert!(
        story.contains("`V2__polls.sql` of `site` was never applied"),
        "{story}"
    );
    assert!(story.contains("version 3"), "{story}");
}

#[tokio::test]
async fn a_history_that_no_migration_wrote_is_told_and_panics_nothing() {
    let database = TestDatabase::create().await;
    applied(&database, &[USERS]).await;
    execute(
        &database,
        "UPDATE refinery_schema_history SET applied_on = 'yesterday'",
    )
    .await;
    let story = refused(&database, &[USERS, POLLS]).await;
    assert!(
        story.contains("`applied_on` of version 1 is no time"),
        "{story}"
    );
    execute(&database, "DROP TABLE refinery_schema_history").await;
    execute(
        &database,
        "CREATE TABLE refinery_schema_history (version text)",
    )
    .await;
    execute(
        &database,
        "INSERT INTO refinery_schema_history VALUES ('one')",
    )
    .await;
    let story = refused(&database, &[USERS, POLLS]).await;
    assert!(story.contains("refinery_schema_history"), "{story}");
}

#[tokio::test]
async fn status_shows_each_file_in_its_state() {
    let database = TestDatabase::create().await;
    applied(&database, &[USERS, POLLS]).await;
    let changed = ("V2__polls.sql", "SELECT 1");
    let sets = [site(&[changed, LATER])];
    let settings = MigrateSettings::default();
    let status = kiuas_migrate::status(&database.settings(), &settings, &sets).await;
    let status = status.expect("status");
    let states: Vec<(i32, State)> = status.sets[1]
        .entries
        .iter()
        .map(|entry| (entry.version, entry.state))
        .collect();
    assert_eq!(
        states,
        [
            (1, State::Missing),
            (2, State::Changed),
            (3, State::Pending)
        ]
    );
    assert_eq!(status.pending(), 1);
    let text = status.to_string();
    assert!(text.contains("site: version 2"), "{text}");
    assert!(text.contains("V3__later.sql  expand    pending"), "{text}");
    let json: serde_json::Value =
        serde_json::from_str(&status.to_json().expect("JSON")).expect("JSON");
    assert_eq!(json["sets"][1]["entries"][2]["state"], "pending");
    assert_eq!(json["sets"][0]["name"], "kiuas");
}

#[tokio::test]
async fn status_of_an_empty_database_is_all_pending() {
    let database = TestDatabase::create().await;
    let settings = MigrateSettings::default();
    let status = kiuas_migrate::status(&database.settings(), &settings, &[site(&[USERS])]).await;
    assert_eq!(status.expect("status").pending(), 2);
    assert!(!exists(&database, "kiuas.refinery_schema_history").await);
}
