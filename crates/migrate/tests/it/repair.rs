//! Databases that were made otherwise, and histories that are put right.

use kiuas_common::testing::TestDatabase;
use kiuas_migrate::{Condition, MigrateError, Repairs};

use crate::support::{POLLS, USERS, applied, execute, number, refused, settings, site, story, up};

async fn repaired(
    database: &TestDatabase,
    files: &[(&str, &str)],
    repairs: &Repairs,
) -> Result<Condition, MigrateError> {
    kiuas_migrate::repair(&database.settings(), &settings(), &[site(files)], repairs).await
}

fn one(file: &str) -> Vec<String> {
    vec![file.to_owned()]
}

#[tokio::test]
async fn a_baseline_takes_files_for_applied_and_runs_none() {
    let database = TestDatabase::create().await;
    execute(&database, "CREATE TABLE users (id int PRIMARY KEY)").await;
    let sets = [site(&[USERS, POLLS])];
    let (postgres, settings) = (database.settings(), settings());
    let baseline = |to| kiuas_migrate::baseline(&postgres, &settings, &sets, None, to);
    let error = baseline(9).await.expect_err("no such version");
    assert!(
        story(&error).contains("there is no version 9 in the set `site`"),
        "{}",
        story(&error)
    );
    assert_eq!(
        baseline(1).await.expect("baseline").files,
        ["V1__users.sql"]
    );
    assert!(matches!(
        baseline(1).await,
        Err(MigrateError::NoBaseline { current: 1, .. })
    ));
    let report = up(&database, &[USERS, POLLS]).await.expect("the rest");
    assert_eq!(report.applied.len(), 2, "{report}");
}

#[tokio::test]
async fn each_contradiction_is_told_with_its_repair_and_the_repair_helps() {
    let database = TestDatabase::create().await;
    applied(
        &database,
        &[
            USERS,
            ("V2__gone.sql", "SELECT 1"),
            ("V4__late.sql", "SELECT 1"),
        ],
    )
    .await;
    let files = [
        ("V1__users.sql", "SELECT 'other'"),
        ("V3__between.sql", "SELECT 1"),
        ("V4__late.sql", "SELECT 1"),
    ];
    let condition = repaired(&database, &files, &Repairs::default())
        .await
        .expect("condition");
    let text = condition.to_string();
    for advice in [
        "--accept site/V1__users.sql",
        "--forget site/V2__gone.sql",
        "--mark-applied site/V3__between.sql",
    ] {
        assert!(text.contains(advice), "{text}");
    }
    refused(&database, &files).await;
    let repairs = Repairs {
        accept: one("site/V1__users.sql"),
        forget: one("V2__gone.sql"),
        mark_applied: one("site/V3__between.sql"),
        ..Repairs::default()
    };
    let condition = repaired(&database, &files, &repairs).await.expect("repair");
    assert_eq!(
        (condition.repaired.len(), condition.problems.len()),
        (3, 0),
        "{condition}"
    );
    assert_eq!(applied(&database, &files).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_repair_that_does_not_fit_is_refused() {
    let database = TestDatabase::create().await;
    applied(&database, &[USERS]).await;
    for (repairs, expected) in [
        (
            Repairs {
                accept: one("site/V1__users.sql"),
                ..Repairs::default()
            },
            "cannot accept `V1__users.sql` of `site`: it is applied",
        ),
        (
            Repairs {
                forget: one("site/V1__users.sql"),
                ..Repairs::default()
            },
            "cannot forget",
        ),
        (
            Repairs {
                accept: one("site/V9__x.sql"),
                ..Repairs::default()
            },
            "there is no file `V9__x.sql` in the set `site`",
        ),
        (
            Repairs {
                accept: one("shop/V1__users.sql"),
                ..Repairs::default()
            },
            "there is no set `shop`: there are `kiuas`, `site`",
        ),
    ] {
        let error = repaired(&database, &[USERS], &repairs)
            .await
            .expect_err(expected);
        assert!(story(&error).contains(expected), "{}", story(&error));
    }
}

#[tokio::test]
async fn invalid_indexes_and_half_applied_files_are_found() {
    let database = TestDatabase::create().await;
    let votes = (
        "V1__votes.sql",
        "CREATE TABLE votes (id int); INSERT INTO votes VALUES (1), (1)",
    );
    let broken = (
        "V2__i.sql",
        "-- migrate: no-transaction\nSELECT 1; CREATE UNIQUE INDEX CONCURRENTLY i ON votes (id)",
    );
    applied(&database, &[votes]).await;
    refused(&database, &[votes, broken]).await;
    let connection = database.open().dedicated().await.expect("connection");
    connection
        .client
        .batch_execute("CREATE UNIQUE INDEX CONCURRENTLY mine ON votes (id)")
        .await
        .expect_err("duplicates");
    let text = repaired(&database, &[votes, broken], &Repairs::default())
        .await
        .expect("condition")
        .to_string();
    assert!(
        text.contains("site/V2__i.sql is half applied: 1 statements are done"),
        "{text}"
    );
    assert!(text.contains("the index mine is invalid"), "{text}");
    let repairs = Repairs {
        restart: one("site/V2__i.sql"),
        drop_invalid_indexes: true,
        ..Repairs::default()
    };
    let condition = repaired(&database, &[votes, broken], &repairs)
        .await
        .expect("repair");
    assert!(condition.problems.is_empty(), "{condition}");
    assert_eq!(
        number(
            &database,
            "SELECT count(*) FROM pg_index WHERE NOT indisvalid"
        )
        .await,
        0
    );
}
