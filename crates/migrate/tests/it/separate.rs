//! Files without a transaction, and the invalid indexes that PostgreSQL leaves.

use kiuas_common::testing::TestDatabase;

use crate::support::{applied, execute, number, refused};

const VOTES: (&str, &str) = ("V1__votes.sql", "CREATE TABLE votes (id int)");
const INDEX: (&str, &str) = (
    "V2__index.sql",
    "-- migrate: no-transaction\nINSERT INTO votes VALUES (7);\n\
     CREATE UNIQUE INDEX CONCURRENTLY votes_id ON votes (id);\nALTER TABLE votes ADD COLUMN voter int",
);
const INDEXES: &str = "SELECT count(*) FROM pg_index WHERE indrelid = 'votes'::regclass";
const VALID: &str =
    "SELECT count(*) FROM pg_index WHERE indrelid = 'votes'::regclass AND indisvalid";

#[tokio::test]
async fn an_index_is_built_beside_the_site() {
    let database = TestDatabase::create().await;
    applied(&database, &[VOTES]).await;
    assert_eq!(
        applied(&database, &[VOTES, INDEX]).await,
        ["site/V2__index.sql"]
    );
    assert_eq!(number(&database, VALID).await, 1);
    assert_eq!(
        number(&database, "SELECT count(*) FROM kiuas.migrate_progress").await,
        0
    );
}

#[tokio::test]
async fn a_failed_build_leaves_no_invalid_index_and_the_next_run_goes_on() {
    let database = TestDatabase::create().await;
    applied(&database, &[VOTES]).await;
    execute(&database, "INSERT INTO votes VALUES (1), (1)").await;
    let message = refused(&database, &[VOTES, INDEX]).await;
    assert!(
        message.contains("`V2__index.sql` of `site` failed, line 3; its first 1 statements stay"),
        "{message}"
    );
    assert!(
        message.contains("`CREATE UNIQUE INDEX CONCURRENTLY votes_id"),
        "{message}"
    );
    assert_eq!(number(&database, INDEXES).await, 0);
    execute(&database, "DELETE FROM votes WHERE id = 1").await;
    applied(&database, &[VOTES, INDEX]).await;
    assert_eq!(number(&database, VALID).await, 1);
    assert_eq!(number(&database, "SELECT count(*) FROM votes").await, 1);
}

#[tokio::test]
async fn an_invalid_index_that_another_run_left_is_dropped_and_built_again() {
    let database = TestDatabase::create().await;
    applied(&database, &[VOTES]).await;
    execute(&database, "INSERT INTO votes VALUES (1), (1)").await;
    let connection = database.open().dedicated().await.expect("connection");
    let build = connection
        .client
        .batch_execute("CREATE UNIQUE INDEX CONCURRENTLY votes_id ON votes (id)")
        .await;
    build.expect_err("duplicates");
    assert_eq!(
        (
            number(&database, INDEXES).await,
            number(&database, VALID).await
        ),
        (1, 0)
    );
    execute(&database, "TRUNCATE votes").await;
    applied(&database, &[VOTES, INDEX]).await;
    assert_eq!(
        (
            number(&database, INDEXES).await,
            number(&database, VALID).await
        ),
        (1, 1)
    );
}

#[tokio::test]
async fn a_valid_index_of_somebody_else_under_that_name_is_an_error_and_stays() {
    let database = TestDatabase::create().await;
    applied(&database, &[VOTES]).await;
    execute(&database, "CREATE INDEX votes_id ON votes (id)").await;
    let message = refused(&database, &[VOTES, INDEX]).await;
    assert!(
        message.contains("\"votes_id\" already exists (42P07)"),
        "{message}"
    );
    assert_eq!(number(&database, VALID).await, 1);
}

#[tokio::test]
async fn what_has_run_of_a_half_applied_file_may_not_be_changed() {
    let database = TestDatabase::create().await;
    applied(&database, &[VOTES]).await;
    execute(&database, "INSERT INTO votes VALUES (1), (1)").await;
    refused(&database, &[VOTES, INDEX]).await;
    execute(&database, "DELETE FROM votes").await;
    let head_changed = INDEX.1.replace("(7)", "(8)");
    let message = refused(&database, &[VOTES, ("V2__index.sql", &head_changed)]).await;
    assert!(
        message.contains("its first 1 statements were applied"),
        "{message}"
    );
    let tail_changed = INDEX.1.replace("voter int", "voter bigint");
    applied(&database, &[VOTES, ("V2__index.sql", &tail_changed)]).await;
}

#[tokio::test]
async fn an_index_rebuilt_over_what_a_failed_reindex_left_is_the_only_one() {
    let database = TestDatabase::create().await;
    applied(&database, &[VOTES, INDEX]).await;
    // What a killed REINDEX leaves, made by hand.
    execute(
        &database,
        "CREATE INDEX votes_id_ccnew ON votes (id);
         UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'votes_id_ccnew'::regclass",
    )
    .await;
    let again = (
        "V3__again.sql",
        "-- migrate: no-transaction\nREINDEX TABLE CONCURRENTLY votes",
    );
    applied(&database, &[VOTES, INDEX, again]).await;
    assert_eq!(
        (
            number(&database, INDEXES).await,
            number(&database, VALID).await
        ),
        (1, 1)
    );
}
