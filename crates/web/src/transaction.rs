//! A PostgreSQL transaction around a closure, run again when PostgreSQL asks for that.

use std::error::Error;

use kiuas_common::postgres::{Postgres, PostgresError, Transaction};

use crate::error::WebError;

const ATTEMPTS: usize = 3;

/// SQLSTATE of transactions that lost against another one and may simply be repeated:
/// serialization failure and deadlock.
const REPEATABLE: [&str; 2] = ["40001", "40P01"];

/// Runs `work` in a transaction: commits when it returns `Ok`, rolls back otherwise. `work` may run up
/// to three times, so it should do nothing but talk to the database.
///
/// # Errors
/// What `work` returns, or that PostgreSQL could not begin or commit.
pub async fn transaction<T>(
    postgres: &Postgres,
    work: impl AsyncFn(&Transaction<'_>) -> Result<T, WebError>,
) -> Result<T, WebError> {
    let mut connection = postgres.get().await?;
    let mut attempt = 1;
    loop {
        let transaction = connection.transaction().await?;
        let outcome = match work(&transaction).await {
            Ok(value) => transaction
                .commit()
                .await
                .map(|()| value)
                .map_err(WebError::from),
            Err(error) => {
                // The first error is the one to report; a broken connection rolls back by itself.
                if let Err(rollback) = transaction.rollback().await {
                    tracing::debug!(error = %rollback, "could not roll back");
                }
                Err(error)
            }
        };
        match outcome {
            Err(error) if attempt < ATTEMPTS && is_repeatable(&error) => {
                tracing::debug!(%error, attempt, "the transaction lost against another, trying again");
                attempt += 1;
            }
            outcome => return outcome,
        }
    }
}

fn is_repeatable(error: &WebError) -> bool {
    let mut next = error.cause().map(|cause| cause as &(dyn Error + 'static));
    while let Some(cause) = next {
        if let Some(error) = cause.downcast_ref::<PostgresError>() {
            return error.code().is_some_and(|code| REPEATABLE.contains(&code));
        }
        next = cause.source();
    }
    false
}
