//! An empty database in which the applied files run once more.

use kiuas_common::postgres::{Postgres, PostgresSettings};
use refinery_core::Migration;

use super::VerifyOptions;
use super::catalogue::{self, Catalogue};
use crate::error::{MigrateError, SqlError};
use crate::execute::{self, Task};
use crate::history;
use crate::run::APPLICATION;
use crate::session::Session;
use crate::set::{MigrationSet, file_name, file_of};
use crate::settings::MigrateSettings;
use crate::status::State;

/// What is added to the database's name; PostgreSQL's names have 63 bytes.
const SUFFIX: &str = "_kiuas_verify";
const LONGEST_NAME: usize = 63;

/// The catalogue that the files make which `session`'s database has applied.
pub(super) async fn catalogue(
    postgres: &PostgresSettings,
    settings: &MigrateSettings,
    session: &Session<'_>,
    sets: &[MigrationSet],
    options: &VerifyOptions,
) -> Result<Catalogue, MigrateError> {
    let mut applied = Vec::new();
    for set in sets {
        applied.push((set, applied_of(session, set).await?));
    }
    let name = name(session).await?;
    let server = PostgresSettings {
        url: options
            .shadow_url
            .clone()
            .unwrap_or_else(|| postgres.url.clone()),
        ..postgres.clone()
    };
    let administrator = match &options.shadow_url {
        Some(url) => Postgres::open(&at(&server, with_database(url, "postgres")), APPLICATION)?,
        None => Postgres::open(&server, APPLICATION)?,
    };
    make(&administrator, &name).await?;
    let url = with_database(&server.url, &name);
    let outcome = replay(&at(&server, url), settings, &applied).await;
    // Whatever happened, it goes; the next run removes what a killed one has left.
    let removed = execute_in(&administrator, &drop_database(&name)).await;
    if let Err(error) = removed {
        tracing::warn!(%error, "the database `{name}` is left; the next `migrate verify` removes it");
    }
    outcome
}

fn at(server: &PostgresSettings, url: String) -> PostgresSettings {
    PostgresSettings {
        url,
        ..server.clone()
    }
}

/// The files of `set` that are applied, in the order in which they were.
async fn applied_of<'a>(
    session: &Session<'_>,
    set: &'a MigrationSet,
) -> Result<Vec<&'a Migration>, MigrateError> {
    let mut entries = history::compare(session.client(), set).await?;
    entries.retain(|entry| matches!(entry.state, State::Applied | State::Changed));
    entries.sort_by_key(|entry| (entry.applied_at, entry.version));
    let migrations = set.migrations();
    let find = |version| {
        migrations
            .iter()
            .find(|migration| migration.version() == version)
    };
    Ok(entries
        .iter()
        .filter_map(|entry| find(entry.version))
        .collect())
}

async fn name(session: &Session<'_>) -> Result<String, MigrateError> {
    let row = session
        .client()
        .query_one("SELECT current_database()::text", &[])
        .await;
    let mut name: String =
        row.and_then(|row| row.try_get(0))
            .map_err(|error| MigrateError::Session {
                action: "ask for the database's name",
                source: SqlError::new(None, error),
            })?;
    while name.len() > LONGEST_NAME - SUFFIX.len() {
        name.pop();
    }
    name.push_str(SUFFIX);
    Ok(name)
}

async fn make(administrator: &Postgres, name: &str) -> Result<(), MigrateError> {
    let shadow = |source| MigrateError::Shadow {
        name: name.to_owned(),
        source,
    };
    execute_in(administrator, &drop_database(name))
        .await
        .map_err(shadow)?;
    let text = format!("CREATE DATABASE {} TEMPLATE template0", quoted(name));
    execute_in(administrator, &text).await.map_err(shadow)
}

async fn execute_in(postgres: &Postgres, text: &str) -> Result<(), SqlError> {
    let dedicated = postgres.dedicated().await.map_err(SqlError::connection)?;
    let outcome = dedicated.client.batch_execute(text).await;
    outcome.map_err(|error| SqlError::new(Some(text), error))
}

async fn replay(
    postgres: &PostgresSettings,
    settings: &MigrateSettings,
    applied: &[(&MigrationSet, Vec<&Migration>)],
) -> Result<Catalogue, MigrateError> {
    let pool = Postgres::open(postgres, APPLICATION)?;
    let session = Session::open(&pool, settings).await?;
    for (set, migrations) in applied {
        if !migrations.is_empty() {
            history::create(session.client(), set).await?;
        }
        for migration in migrations {
            let file = file_of(set, migration)?;
            let task = Task {
                set,
                migration,
                file: &file,
                is_last: false,
            };
            execute::apply(&session, task).await.map_err(|failure| {
                MigrateError::from(Box::new(failure.of(
                    set,
                    file_name(migration),
                    None,
                    Vec::new(),
                )))
            })?;
        }
    }
    catalogue::read(session.client()).await
}

fn drop_database(name: &str) -> String {
    format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", quoted(name))
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// `url` with another database: `postgres://u@h/old?x=y`, or `host=h dbname=old`, whose last word counts.
fn with_database(url: &str, name: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return format!("{url} dbname='{}'", name.replace('\'', "\\'"));
    };
    let (rest, query) = match rest.split_once('?') {
        Some((rest, query)) => (rest, format!("?{query}")),
        None => (rest, String::new()),
    };
    let authority = rest.split('/').next().unwrap_or_default();
    format!("{scheme}://{authority}/{name}{query}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_keeps_everything_but_its_database() {
        let cases = [
            (
                "postgres://u:p@h:5432/old?a=b",
                "postgres://u:p@h:5432/new?a=b",
            ),
            (
                "postgres:///old?host=/run&user=u",
                "postgres:///new?host=/run&user=u",
            ),
            ("postgres://h", "postgres://h/new"),
            ("host=h dbname=old", "host=h dbname=old dbname='new'"),
        ];
        for (url, expected) in cases {
            assert_eq!(with_database(url, "new"), expected);
        }
    }
}
