//! `up`: applies what is pending, the stack's set first, one file a transaction, under the lock.

use std::fmt;
use std::time::Duration;

use kiuas_common::postgres::{Postgres, PostgresSettings};
use refinery_core::{Migration, Runner};
use tokio_postgres::Client;

use crate::error::{Failed, MigrateError, SqlError};
use crate::session::{Failure, Session};
use crate::set::{MigrationSet, file_name, with_stack};
use crate::settings::MigrateSettings;
use crate::status::{Entry, State};
use crate::{history, lock, session, statement};

/// What `pg_stat_activity` shows for a runner.
pub(crate) const APPLICATION: &str = "kiuas migrate";

/// What a run did.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// The files that it applied, in order; empty if there was nothing to do.
    pub applied: Vec<Applied>,
}

/// A file that was applied.
#[derive(Debug, Clone)]
pub struct Applied {
    /// Its set.
    pub set: String,
    /// Its name.
    pub file: String,
    /// How long it took, with its commit.
    pub took: Duration,
}

/// Applies every pending file of the stack's set and then of `sets`. Waits for PostgreSQL and for
/// another runner, both with a limit; a second runner finds nothing to do.
///
/// # Errors
/// PostgreSQL or the lock is not to be had, the histories and the files contradict one another (nothing
/// is applied then), or a file failed ([`MigrateError::Failed`]; it leaves nothing behind, the files
/// before it stay applied).
pub async fn up(
    postgres: &PostgresSettings,
    settings: &MigrateSettings,
    sets: &[MigrationSet],
) -> Result<Report, MigrateError> {
    let sets = with_stack(sets)?;
    let postgres = Postgres::open(postgres, APPLICATION)?;
    postgres.wait(settings.wait_timeout).await?;
    let mut dedicated = postgres.dedicated().await?;
    session::prepare(&dedicated.client, settings)
        .await
        .map_err(|source| MigrateError::Session {
            action: "set the limits of the session",
            source,
        })?;
    lock::acquire(&dedicated.client, settings.lock_wait).await?;
    let mut report = Report::default();
    apply_all(
        &postgres,
        &mut dedicated.client,
        settings,
        &sets,
        &mut report,
    )
    .await?;
    lock::release(&dedicated.client).await?;
    Ok(report)
}

async fn apply_all(
    postgres: &Postgres,
    client: &mut Client,
    settings: &MigrateSettings,
    sets: &[MigrationSet],
    report: &mut Report,
) -> Result<(), MigrateError> {
    // All sets are checked before the first file runs: a contradiction leaves the database untouched.
    let mut waiting = Vec::new();
    for set in sets {
        let entries = history::compare(postgres, set).await?;
        check(set, &entries)?;
        if entries.iter().any(|entry| entry.state == State::Pending) {
            waiting.push((set, entries));
        }
    }
    for (set, entries) in waiting {
        session::create_schema(client, set).await?;
        apply(client, settings, set, &entries, report).await?;
    }
    Ok(())
}

/// Whether anything stands against applying what is pending.
fn check(set: &MigrationSet, entries: &[Entry]) -> Result<(), MigrateError> {
    for entry in entries {
        let (name, file) = (set.name().to_owned(), entry.file.clone());
        let applied_at = entry.applied_at.unwrap_or_default();
        match entry.state {
            State::Applied => {}
            State::Pending => check_statements(set, &entry.file)?,
            State::Changed => {
                return Err(MigrateError::Changed {
                    set: name,
                    file,
                    applied_at,
                });
            }
            State::Missing => {
                return Err(MigrateError::Missing {
                    set: name,
                    file,
                    applied_at,
                });
            }
            State::OutOfOrder => {
                return Err(MigrateError::OutOfOrder {
                    set: name,
                    file,
                    current: current(entries).unwrap_or_default(),
                });
            }
        }
    }
    Ok(())
}

/// A `COMMIT` in a file would make half of it durable when the other half fails.
fn check_statements(set: &MigrationSet, file: &str) -> Result<(), MigrateError> {
    let migration = set.migrations().iter().find(|one| file_name(one) == file);
    let sql = migration.and_then(Migration::sql).unwrap_or_default();
    let found = statement::split(sql)
        .into_iter()
        .find(statement::Statement::controls_transaction);
    match found {
        None => Ok(()),
        Some(statement) => Err(MigrateError::TransactionControl {
            set: set.name().to_owned(),
            file: file.to_owned(),
            line: statement.line,
            statement: statement.excerpt(),
        }),
    }
}

async fn apply(
    client: &mut Client,
    settings: &MigrateSettings,
    set: &MigrationSet,
    entries: &[Entry],
    report: &mut Report,
) -> Result<(), MigrateError> {
    let is_waiting = |migration: &&Migration| {
        let applied = |entry: &Entry| entry.state == State::Applied;
        let version = migration.version();
        !entries
            .iter()
            .any(|entry| entry.version == version && applied(entry))
    };
    let waiting = set.migrations().iter().filter(is_waiting).collect();
    let mut runner = Runner::new(set.migrations())
        .set_abort_divergent(true)
        .set_abort_missing(true);
    runner.set_migration_table_name(set.history());
    let mut session = Session::new(client, set, settings, waiting);
    let outcome = runner.run_async(&mut session).await;
    let (applied, failure) = session.finish();
    let version = newest(set, &applied).or(current(entries));
    report.applied.extend(applied);
    match (outcome, failure) {
        (Ok(_), _) => Ok(()),
        (Err(_), Some(failure)) => Err(failed(set, version, report, failure)),
        (Err(error), None) => Err(MigrateError::Refinery {
            set: set.name().to_owned(),
            source: Box::new(error),
        }),
    }
}

fn failed(
    set: &MigrationSet,
    current: Option<i32>,
    report: &Report,
    failure: Failure,
) -> MigrateError {
    let Failure { file, line, source } = failure;
    match file {
        Some(file) => MigrateError::from(Box::new(Failed {
            set: set.name().to_owned(),
            file,
            line,
            current,
            applied: report.applied.iter().map(ToString::to_string).collect(),
            source,
        })),
        None => ours(source),
    }
}

fn ours(source: SqlError) -> MigrateError {
    MigrateError::Session {
        action: "keep the history",
        source,
    }
}

fn current(entries: &[Entry]) -> Option<i32> {
    let applied = entries.iter().filter(|entry| entry.applied_at.is_some());
    applied.map(|entry| entry.version).max()
}

fn newest(set: &MigrationSet, applied: &[Applied]) -> Option<i32> {
    let is_applied = |file: &str| applied.iter().any(|applied| applied.file == file);
    let migrations = set.migrations().iter();
    migrations
        .filter(|migration| is_applied(&file_name(migration)))
        .map(Migration::version)
        .max()
}

impl fmt::Display for Applied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.set, self.file)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for applied in &self.applied {
            writeln!(f, "applied {applied} in {} ms", applied.took.as_millis())?;
        }
        match self.applied.len() {
            0 => writeln!(f, "nothing to do: every migration is applied"),
            1 => writeln!(f, "1 migration applied"),
            count => writeln!(f, "{count} migrations applied"),
        }
    }
}
