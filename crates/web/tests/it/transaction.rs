//! Transactions in a real PostgreSQL.

use std::cell::Cell;

use kiuas_common::postgres::Postgres;
use kiuas_common::testing::TestDatabase;
use kiuas_web::{WebError, transaction};

async fn database() -> (TestDatabase, Postgres) {
    let database = TestDatabase::create().await;
    let postgres = database.open();
    let connection = postgres.get().await.expect("connection");
    connection
        .batch_execute(
            "CREATE TABLE counter (value bigint NOT NULL); INSERT INTO counter VALUES (0)",
        )
        .await
        .expect("table");
    drop(connection);
    (database, postgres)
}

async fn value(postgres: &Postgres) -> i64 {
    let connection = postgres.get().await.expect("connection");
    let row = connection.query_one("SELECT value FROM counter", &[]).await;
    row.expect("row").get(0)
}

#[tokio::test]
async fn what_succeeds_is_committed() {
    let (_database, postgres) = database().await;
    let rows = transaction(&postgres, async |transaction| {
        Ok(transaction
            .execute("UPDATE counter SET value = 1", &[])
            .await?)
    })
    .await;
    assert_eq!(rows.expect("rows"), 1);
    assert_eq!(value(&postgres).await, 1);
}

#[tokio::test]
async fn what_fails_is_rolled_back_and_the_connection_is_good_again() {
    let (_database, postgres) = database().await;
    let outcome: Result<(), WebError> = transaction(&postgres, async |transaction| {
        transaction
            .execute("UPDATE counter SET value = 1", &[])
            .await?;
        Err(WebError::conflict("no"))
    })
    .await;
    assert_eq!(outcome.expect_err("error").status().as_u16(), 409);
    assert_eq!(value(&postgres).await, 0);
}

#[tokio::test]
async fn a_transaction_that_lost_is_run_again() {
    let (_database, postgres) = database().await;
    let runs = Cell::new(0);
    let outcome = transaction(&postgres, async |transaction| {
        runs.set(runs.get() + 1);
        transaction
            .execute("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", &[])
            .await?;
        let row = transaction
            .query_one("SELECT value FROM counter", &[])
            .await?;
        if runs.get() == 1 {
            // Somebody else is quicker.
            let other = postgres.get().await?;
            other
                .execute("UPDATE counter SET value = value + 10", &[])
                .await?;
        }
        let next: i64 = row.get::<_, i64>(0) + 1;
        transaction
            .execute("UPDATE counter SET value = $1", &[&next])
            .await?;
        Ok(())
    })
    .await;
    outcome.expect("second run");
    assert_eq!((runs.get(), value(&postgres).await), (2, 11));
}
