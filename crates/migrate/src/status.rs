//! What is applied and what is not: for eyes, for machines, and for `site serve`, which is not ready on
//! a schema older than itself.

use std::fmt;

use jiff::Timestamp;
use kiuas_common::postgres::{Dedicated, Postgres, PostgresSettings};
use serde::Serialize;

use crate::error::MigrateError;
use crate::file::Phase;
use crate::set::{MigrationSet, with_stack};
use crate::settings::MigrateSettings;
use crate::{history, lock, run};

/// What is applied of every set, the stack's own first.
#[derive(Debug, Clone, Serialize)]
pub struct Status {
    /// The sets, in the order in which they are applied.
    pub sets: Vec<SetStatus>,
    /// Who is migrating right now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runner: Option<String>,
}

/// What is applied of one set.
#[derive(Debug, Clone, Serialize)]
pub struct SetStatus {
    /// The set's name.
    pub name: String,
    /// Its history table.
    pub history: String,
    /// Its files, and what the history has beyond them, in the order of their versions.
    pub entries: Vec<Entry>,
}

/// One migration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// The version.
    pub version: i32,
    /// The file.
    pub file: String,
    /// When it may be applied; of a missing file nobody knows.
    pub phase: Phase,
    /// How file and history compare.
    pub state: State,
    /// When it was applied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub applied_at: Option<Timestamp>,
}

/// How a migration's file and the history compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum State {
    /// Applied, and the file is still the same.
    Applied,
    /// Not applied yet.
    Pending,
    /// Applied, but the file was changed afterwards.
    Changed,
    /// Applied, but the file is gone.
    Missing,
    /// Not applied, though a newer one is.
    OutOfOrder,
}

/// Compares every set with its history. Changes nothing and takes no lock.
///
/// # Errors
/// A set is ill-formed, PostgreSQL is not usable, or a history table holds what no migration wrote.
pub async fn status(
    postgres: &PostgresSettings,
    settings: &MigrateSettings,
    sets: &[MigrationSet],
) -> Result<Status, MigrateError> {
    let sets = with_stack(sets)?;
    let client = connect(postgres, settings).await?;
    let mut compared = Vec::with_capacity(sets.len());
    for set in &sets {
        compared.push(SetStatus {
            name: set.name().to_owned(),
            history: set.history().to_owned(),
            entries: history::compare(&client.client, set).await?,
        });
    }
    Ok(Status {
        sets: compared,
        runner: lock::holder(&client.client).await?,
    })
}

async fn connect(
    postgres: &PostgresSettings,
    settings: &MigrateSettings,
) -> Result<Dedicated, MigrateError> {
    let postgres = Postgres::open(postgres, run::APPLICATION)?;
    postgres.wait(settings.wait_timeout).await?;
    Ok(postgres.dedicated().await?)
}

/// The entries of each of `sets`, which are complete.
pub(crate) async fn compare_all(
    postgres: &PostgresSettings,
    settings: &MigrateSettings,
    sets: &[MigrationSet],
) -> Result<Vec<Vec<Entry>>, MigrateError> {
    let connection = connect(postgres, settings).await?;
    let mut compared = Vec::with_capacity(sets.len());
    for set in sets {
        compared.push(history::compare(&connection.client, set).await?);
    }
    Ok(compared)
}

/// The expand files that are not applied, `set/file`, the stack's own first: as long as there are any,
/// a process of this build may not receive work. Contract files wait until the version before has gone,
/// and a database that is ahead of the build is how the old version sees it: neither is a reason.
///
/// # Errors
/// See [`status`].
pub async fn pending(
    postgres: &Postgres,
    sets: &[MigrationSet],
) -> Result<Vec<String>, MigrateError> {
    let connection = postgres.dedicated().await?;
    let mut pending = Vec::new();
    for set in &with_stack(sets)? {
        let entries = history::compare(&connection.client, set).await?;
        pending.extend(
            entries
                .iter()
                .filter(|entry| matches!(entry.state, State::Pending | State::OutOfOrder))
                .filter(|entry| entry.phase == Phase::Expand)
                .map(|entry| format!("{}/{}", set.name(), entry.file)),
        );
    }
    Ok(pending)
}

impl Status {
    /// How many files are not applied.
    #[must_use]
    pub fn pending(&self) -> usize {
        let states = self.sets.iter().flat_map(|set| &set.entries);
        states
            .filter(|entry| entry.state != State::Applied && entry.applied_at.is_none())
            .count()
    }

    /// As JSON, indented.
    ///
    /// # Errors
    /// None in practice: every key is a string.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string_pretty(self)
    }
}

impl SetStatus {
    /// The newest applied version.
    #[must_use]
    pub fn current(&self) -> Option<i32> {
        let applied = self
            .entries
            .iter()
            .filter(|entry| entry.applied_at.is_some());
        applied.map(|entry| entry.version).max()
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.sets.iter().flat_map(|set| &set.entries);
        let width = width
            .map(|entry| entry.file.chars().count())
            .max()
            .unwrap_or(0);
        for set in &self.sets {
            match set.current() {
                Some(version) => writeln!(f, "{}: version {version}", set.name)?,
                None => writeln!(f, "{}: empty", set.name)?,
            }
            for entry in &set.entries {
                write!(
                    f,
                    "  {:width$}  {:8}  {}",
                    entry.file, entry.phase, entry.state
                )?;
                match entry.applied_at {
                    Some(time) => writeln!(f, " {}", time.strftime("%Y-%m-%d %H:%M:%S UTC"))?,
                    None => writeln!(f)?,
                }
            }
        }
        if let Some(runner) = &self.runner {
            writeln!(f, "migrating right now: {runner}")?;
        }
        match self.pending() {
            0 => writeln!(f, "nothing is pending"),
            count => writeln!(f, "{count} pending"),
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Applied => "applied",
            Self::Pending => "pending",
            Self::Changed => "CHANGED after it was applied",
            Self::Missing => "MISSING, applied",
            Self::OutOfOrder => "OUT OF ORDER, pending",
        })
    }
}
