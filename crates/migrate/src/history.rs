//! What a set's history table says, and how that compares with the set's files.

use std::collections::BTreeMap;

use jiff::Timestamp;
use refinery_core::Migration;
use tokio_postgres::{Client, Row};

use crate::error::{MigrateError, SqlError};
use crate::file::Phase;
use crate::set::{MigrationSet, file_name, file_of};
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
/// PostgreSQL is not usable, the history table holds what no migration wrote, or a directive is wrong.
pub(crate) async fn compare(
    client: &Client,
    set: &MigrationSet,
) -> Result<Vec<Entry>, MigrateError> {
    entries(set, &read(client, set).await?)
}

async fn read(client: &Client, set: &MigrationSet) -> Result<Vec<Recorded>, MigrateError> {
    let exists = "SELECT to_regclass($1::text) IS NOT NULL";
    let row = client
        .query_one(exists, &[&set.history()])
        .await
        .map_err(failed)?;
    if !row.try_get::<_, bool>(0).map_err(failed)? {
        return Ok(Vec::new());
    }
    // The name was checked to be an identifier when the set was.
    let text = format!(
        "SELECT version, name, applied_on, checksum FROM {} ORDER BY version",
        set.history()
    );
    let unreadable = |problem| MigrateError::History {
        set: set.name().to_owned(),
        table: set.history().to_owned(),
        problem,
    };
    let said = |error| unreadable(SqlError::new(None, error).to_string());
    let rows = client.query(&text, &[]).await.map_err(said)?;
    rows.iter()
        .map(|row| recorded(row).map_err(unreadable))
        .collect()
}

fn failed(error: tokio_postgres::Error) -> MigrateError {
    MigrateError::Session {
        action: "read the history",
        source: SqlError::new(None, error),
    }
}

/// Creates the table of `set`'s history, and its schema.
///
/// # Errors
/// PostgreSQL refused it.
pub(crate) async fn create(client: &Client, set: &MigrationSet) -> Result<(), MigrateError> {
    let schema = set.history().split('.').next().unwrap_or_default();
    // Asked first: a role that may not create schemas may still migrate where there is one.
    let exists = client
        .query_one("SELECT to_regnamespace($1::text) IS NOT NULL", &[&schema])
        .await
        .and_then(|row| row.try_get::<_, bool>(0));
    let outcome = match exists {
        Ok(exists) => {
            let schema = if exists {
                String::new()
            } else {
                format!("CREATE SCHEMA IF NOT EXISTS {schema};")
            };
            let table = set.history();
            let text = format!(
                "{schema} CREATE TABLE IF NOT EXISTS {table}
                 (version integer PRIMARY KEY, name varchar(255), applied_on varchar(255),
                  checksum varchar(255))"
            );
            client.batch_execute(&text).await
        }
        Err(error) => Err(error),
    };
    outcome.map_err(|error| MigrateError::Session {
        action: "create the history",
        source: SqlError::new(None, error),
    })
}

/// The statement that records `migration` as applied now.
pub(crate) fn insert(set: &MigrationSet, migration: &Migration) -> String {
    format!(
        "INSERT INTO {} (version, name, applied_on, checksum) VALUES ({}, '{}', '{}', '{}')",
        set.history(),
        migration.version(),
        migration.name().replace('\'', "''"),
        Timestamp::now(),
        migration.checksum()
    )
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

fn entries(set: &MigrationSet, history: &[Recorded]) -> Result<Vec<Entry>, MigrateError> {
    let by_version: BTreeMap<i32, &Recorded> = history
        .iter()
        .map(|recorded| (recorded.version, recorded))
        .collect();
    let mut entries = BTreeMap::new();
    for migration in set.migrations() {
        let header = file_of(set, migration)?.header;
        let recorded = by_version.get(&migration.version()).copied();
        let entry = Entry {
            version: migration.version(),
            file: file_name(migration),
            phase: header.phase,
            state: state(migration, recorded),
            applied_at: recorded.map(|recorded| recorded.applied_at),
        };
        entries.insert(entry.version, entry);
    }
    for recorded in history {
        entries.entry(recorded.version).or_insert_with(|| Entry {
            version: recorded.version,
            file: format!("V{}__{}.sql", recorded.version, recorded.name),
            phase: Phase::Expand,
            state: State::Missing,
            applied_at: Some(recorded.applied_at),
        });
    }
    let mut entries: Vec<Entry> = entries.into_values().collect();
    find_out_of_order(&mut entries);
    Ok(entries)
}

fn state(migration: &Migration, recorded: Option<&Recorded>) -> State {
    match recorded {
        Some(row) if row.checksum == migration.checksum() && row.name == migration.name() => {
            State::Applied
        }
        Some(_) => State::Changed,
        None => State::Pending,
    }
}

/// A contract file may be overtaken by expand files; apart from that, numbers are the order.
fn find_out_of_order(entries: &mut [Entry]) {
    let newest = |is: fn(&Entry) -> bool, entries: &[Entry]| {
        let applied = entries
            .iter()
            .filter(|entry| entry.applied_at.is_some() && is(entry));
        applied.map(|entry| entry.version).max()
    };
    let any = newest(|_| true, entries);
    let contract = newest(|entry| entry.phase == Phase::Contract, entries);
    for entry in entries
        .iter_mut()
        .filter(|entry| entry.state == State::Pending)
    {
        let newer = match entry.phase {
            Phase::Expand => any,
            Phase::Contract => contract,
        };
        if newer.is_some_and(|newer| newer > entry.version) {
            entry.state = State::OutOfOrder;
        }
    }
}
