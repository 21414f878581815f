//! Expand and contract: what waits, what overtakes, what is refused.

use kiuas_common::testing::TestDatabase;
use kiuas_migrate::{MigrateError, MigrateSettings, UpOptions, Want, exit};

use crate::support::{POLLS, USERS, applied, exists, refused, settings, site, story, up, up_in};

const CONTRACT: (&str, &str) = ("V3__drop.sql", "-- migrate: contract\nDROP TABLE polls");

#[tokio::test]
async fn a_contract_file_waits_for_its_phase_and_keeps_nobody_from_being_ready() {
    let database = TestDatabase::create().await;
    applied(&database, &[USERS, POLLS]).await;
    let files = [USERS, POLLS, CONTRACT];
    let report = up(&database, &files).await.expect("expand");
    assert_eq!(report.held_back, ["site/V3__drop.sql"]);
    assert!(exists(&database, "polls").await);
    let pending = kiuas_migrate::pending(&database.open(), &[site(&files)]).await;
    assert_eq!(pending.expect("pending"), Vec::<String>::new());
    let report = up_in(&database, Want::Contract, &files)
        .await
        .expect("contract");
    assert_eq!(report.applied.len(), 1);
    assert!(!exists(&database, "polls").await);
}

#[tokio::test]
async fn an_empty_database_gets_every_file_in_order_and_refuses_none() {
    let database = TestDatabase::create().await;
    let old = ("V2__rename.sql", "ALTER TABLE users RENAME TO people");
    let polls = ("V4__polls.sql", "CREATE TABLE polls ()");
    let order = applied(
        &database,
        &[
            USERS,
            old,
            ("V3__c.sql", "-- migrate: contract\nSELECT 1"),
            polls,
        ],
    )
    .await;
    assert_eq!(order.len(), 5, "{order:?}");
}

#[tokio::test]
async fn an_expand_file_overtakes_a_contract_file_unless_both_speak_of_one_table() {
    let database = TestDatabase::create().await;
    applied(&database, &[USERS, POLLS]).await;
    let other = ("V4__other.sql", "CREATE TABLE other ()");
    let files = [USERS, POLLS, CONTRACT, other];
    assert_eq!(applied(&database, &files).await, ["site/V4__other.sql"]);
    let same = ("V5__same.sql", "ALTER TABLE polls ADD COLUMN state text");
    let message = refused(&database, &[USERS, POLLS, CONTRACT, other, same]).await;
    assert!(
        message.contains("`V5__same.sql` of `site`, line 1: overtakes"),
        "{message}"
    );
    // The one that was overtaken is not out of order.
    up_in(&database, Want::Contract, &files)
        .await
        .expect("contract");
}

#[tokio::test]
async fn a_contract_file_does_not_overtake_an_expand_file() {
    let database = TestDatabase::create().await;
    applied(&database, &[USERS]).await;
    let error = up_in(&database, Want::Contract, &[USERS, POLLS, CONTRACT])
        .await
        .expect_err("too early");
    assert!(
        story(&error).contains("`V2__polls.sql` of `site` is an expand file"),
        "{}",
        story(&error)
    );
}

#[tokio::test]
async fn what_hurts_a_running_site_is_refused_before_anything_runs() {
    let database = TestDatabase::create().await;
    applied(&database, &[USERS]).await;
    let drop = (
        "V3__drop.sql",
        "SELECT 1;\nALTER TABLE users\n    DROP COLUMN id",
    );
    let error = up(&database, &[USERS, POLLS, drop])
        .await
        .expect_err("refused");
    assert_eq!(error.exit_code(), exit::REFUSED);
    let message = story(&error);
    assert!(
        message.contains("`V3__drop.sql` of `site`, line 3: drop-column"),
        "{message}"
    );
    assert!(
        message.contains("safe: stop using it in this release"),
        "{message}"
    );
    assert!(!exists(&database, "polls").await);
    let allowed = "SELECT 1;\n-- migrate: allow drop-column: nobody reads it\nALTER TABLE users DROP COLUMN id";
    let order = applied(&database, &[USERS, POLLS, ("V3__drop.sql", allowed)]).await;
    assert_eq!(order, ["site/V2__polls.sql", "site/V3__drop.sql"]);
}

#[tokio::test]
async fn a_plan_shows_what_up_would_run_and_changes_nothing() {
    let database = TestDatabase::create().await;
    applied(&database, &[USERS]).await;
    let sets = [site(&[
        USERS,
        POLLS,
        ("V4__i.sql", "CREATE INDEX i ON users (id)"),
    ])];
    let plan = kiuas_migrate::plan(&database.settings(), &settings(), &sets, Want::Expand)
        .await
        .expect("plan");
    let text = plan.to_string();
    assert!(
        text.contains("=== site/V2__polls.sql (expand)\nCREATE TABLE polls"),
        "{text}"
    );
    assert!(
        text.contains("--- line 1: REFUSED: index-not-concurrent (locks)"),
        "{text}"
    );
    assert!(text.contains("2 files, 1 refused statements"), "{text}");
    assert!(plan.check().is_err());
    assert!(!exists(&database, "polls").await);
}

#[tokio::test]
async fn the_database_is_dumped_before_a_contract_file_and_only_then() {
    let database = TestDatabase::create().await;
    let directory = tempfile::tempdir().expect("directory");
    let sets = [site(&[USERS, POLLS, CONTRACT])];
    let options = |want| UpOptions {
        want,
        dump: Some(directory.path().to_owned()),
    };
    applied(&database, &[USERS, POLLS]).await;
    let postgres = database.settings();
    kiuas_migrate::up_with(&postgres, &settings(), &sets, &options(Want::Expand))
        .await
        .expect("expand");
    assert_eq!(
        std::fs::read_dir(directory.path())
            .expect("directory")
            .count(),
        0
    );
    let broken = MigrateSettings {
        dump_program: "/nowhere/pg_dump".to_owned(),
        ..settings()
    };
    let error = kiuas_migrate::up_with(&postgres, &broken, &sets, &options(Want::Contract)).await;
    let error = error.expect_err("no dump");
    assert!(
        matches!(error, MigrateError::Dump { .. }),
        "{}",
        story(&error)
    );
    assert!(exists(&database, "polls").await);
    let report =
        kiuas_migrate::up_with(&postgres, &settings(), &sets, &options(Want::Contract)).await;
    let dump = report.expect("contract").dump.expect("a dump");
    let bytes = std::fs::read(&dump).expect("dump");
    assert!(bytes.starts_with(b"PGDMP"), "{}", dump.display());
    assert!(!exists(&database, "polls").await);
}
