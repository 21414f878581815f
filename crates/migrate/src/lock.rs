//! One runner at a time: an advisory lock on the migration's own connection.
//!
//! The lock ends with the connection, so a killed runner leaves none behind.

use std::time::{Duration, Instant};

use kiuas_common::Period;
use tokio_postgres::Client;

use crate::backend::{COLUMNS, describe};
use crate::error::{MigrateError, SqlError};

/// `kiuas` and `migr` in ASCII: the same for every runner of a database.
const KEY: i64 = 0x6b69_7561_6d69_6772;
const ASK_AGAIN: Duration = Duration::from_millis(100);
const SAY_AGAIN: Duration = Duration::from_secs(5);

/// Takes the lock, waiting at most `patience` for another runner to finish.
///
/// # Errors
/// [`MigrateError::Locked`] names who holds it.
pub(crate) async fn acquire(client: &Client, patience: Period) -> Result<(), MigrateError> {
    let begin = Instant::now();
    let mut said: Option<Instant> = None;
    while !try_acquire(client).await? {
        if begin.elapsed() >= patience.duration() {
            return Err(MigrateError::Locked {
                waited: patience,
                holder: named_holder(client).await?,
            });
        }
        if said.is_none_or(|said| said.elapsed() >= SAY_AGAIN) {
            let holder = named_holder(client).await?;
            tracing::info!(lock.holder = %holder, "waiting for another migration: {holder}");
            said = Some(Instant::now());
        }
        tokio::time::sleep(ASK_AGAIN).await;
    }
    Ok(())
}

/// Gives the lock back.
///
/// # Errors
/// The connection broke; the lock is free all the same.
pub(crate) async fn release(client: &Client) -> Result<(), MigrateError> {
    client
        .query_one("SELECT pg_advisory_unlock($1)", &[&KEY])
        .await
        .map(drop)
        .map_err(|error| failed("release the lock", error))
}

async fn named_holder(client: &Client) -> Result<String, MigrateError> {
    let holder = holder(client).await?;
    Ok(holder.unwrap_or_else(|| "nobody any more".to_owned()))
}

async fn try_acquire(client: &Client) -> Result<bool, MigrateError> {
    client
        .query_one("SELECT pg_try_advisory_lock($1)", &[&KEY])
        .await
        .and_then(|row| row.try_get(0))
        .map_err(|error| failed("take the lock", error))
}

/// Who holds the lock.
///
/// # Errors
/// The connection broke.
pub(crate) async fn holder(client: &Client) -> Result<Option<String>, MigrateError> {
    let text = format!(
        "SELECT {COLUMNS} FROM pg_locks l JOIN pg_stat_activity a USING (pid)
         WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
           AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
           AND l.classid = ($1::bigint >> 32)::int::oid
           AND l.objid = ($1::bigint & 4294967295)::oid"
    );
    let row = client.query_opt(&text, &[&KEY]).await;
    row.and_then(|row| row.as_ref().map(describe).transpose())
        .map_err(|error| failed("see who holds the lock", error))
}

fn failed(action: &'static str, error: tokio_postgres::Error) -> MigrateError {
    MigrateError::Session {
        action,
        source: SqlError::new(None, error),
    }
}
