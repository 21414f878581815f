//! What a set's history table says, and how that compares with the set's files.

use jiff::Timestamp;
use kiuas_common::postgres::{Postgres, PostgresError, Row};
use refinery_core::Migration;

use crate::error::MigrateError;
use crate::set::{MigrationSet, file_name};
use crate::status::{Entry, State};

/// A row of the history table.
struct Recorded {
    version: i32,
    name: String,
    applied_at: Timestamp,
    checksum: u64,
}

/// Every file of `set` and every row of its history, in the order of their versions.
///
/// # Errors
/// PostgreSQL is not usable, or the history table holds what no migration wrote.
pub(crate) async fn compare(
    postgres: &Postgres,
    set: &MigrationSet,
) -> Result<Vec<Entry>, MigrateError> {
    Ok(entries(set, &read(postgres, set).await?))
}

async fn read(postgres: &Postgres, set: &MigrationSet) -> Result<Vec<Recorded>, MigrateError> {
    let connection = postgres.get().await?;
    let exists = connection
        .query_one(
            "SELECT to_regclass($1::text) IS NOT NULL AS exists",
            &[&set.history()],
        )
        .await?;
    if !exists.try_get("exists").map_err(unexpected)? {
        return Ok(Vec::new());
    }
    // The name was checked to be an identifier when the set was.
    let text = format!(
        "SELECT version, name, applied_on, checksum FROM {} ORDER BY version",
        set.history()
    );
    let rows = connection.query(&text, &[]).await?;
    rows.iter()
        .map(|row| {
            recorded(row).map_err(|problem| MigrateError::History {
                set: set.name().to_owned(),
                table: set.history().to_owned(),
                problem,
            })
        })
        .collect()
}

fn unexpected(source: tokio_postgres::Error) -> PostgresError {
    PostgresError::Statement {
        statement: "SELECT to_regclass($1)".to_owned(),
        source,
    }
}

fn recorded(row: &Row) -> Result<Recorded, String> {
    let said = |error: tokio_postgres::Error| error.to_string();
    let version: i32 = row.try_get("version").map_err(said)?;
    let applied_on: &str = row.try_get("applied_on").map_err(said)?;
    let checksum: &str = row.try_get("checksum").map_err(said)?;
    Ok(Recorded {
        version,
        name: row.try_get("name").map_err(said)?,
        applied_at: applied_on
            .parse()
            .map_err(|_| format!("`applied_on` of version {version} is no time: `{applied_on}`"))?,
        checksum: checksum
            .parse()
            .map_err(|_| format!("`checksum` of version {version} is no number: `{checksum}`"))?,
    })
}

fn entries(set: &MigrationSet, history: &[Recorded]) -> Vec<Entry> {
    let current = history.iter().map(|recorded| recorded.version).max();
    let mut entries: Vec<Entry> = set
        .migrations()
        .iter()
        .map(|migration| {
            let recorded = history
                .iter()
                .find(|recorded| recorded.version == migration.version());
            Entry {
                version: migration.version(),
                file: file_name(migration),
                state: state(migration, recorded, current),
                applied_at: recorded.map(|recorded| recorded.applied_at),
            }
        })
        .collect();
    let gone = history.iter().filter(|recorded| {
        !set.migrations()
            .iter()
            .any(|migration| migration.version() == recorded.version)
    });
    entries.extend(gone.map(|recorded| Entry {
        version: recorded.version,
        file: format!("V{}__{}.sql", recorded.version, recorded.name),
        state: State::Missing,
        applied_at: Some(recorded.applied_at),
    }));
    entries.sort_by_key(|entry| entry.version);
    entries
}

fn state(migration: &Migration, recorded: Option<&Recorded>, current: Option<i32>) -> State {
    match recorded {
        Some(row) if row.checksum == migration.checksum() && row.name == migration.name() => {
            State::Applied
        }
        Some(_) => State::Changed,
        None if current.is_some_and(|current| current > migration.version()) => State::OutOfOrder,
        None => State::Pending,
    }
}
