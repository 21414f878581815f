//! What is applied and what is not: for eyes, for machines, and for `site serve`, which is not ready on
//! a schema older than itself.

use std::fmt;

use jiff::Timestamp;
use kiuas_common::postgres::{Postgres, PostgresSettings};
use serde::Serialize;

use crate::error::MigrateError;
use crate::set::{MigrationSet, with_stack};
use crate::settings::MigrateSettings;
use crate::{history, run};

/// What is applied of every set, the stack's own first.
#[derive(Debug, Clone, Serialize)]
pub struct Status {
    /// The sets, in the order in which they are applied.
    pub sets: Vec<SetStatus>,
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
    let postgres = Postgres::open(postgres, run::APPLICATION)?;
    postgres.wait(settings.wait_timeout).await?;
    let mut compared = Vec::with_capacity(sets.len());
    for set in &sets {
        compared.push(SetStatus {
            name: set.name().to_owned(),
            history: set.history().to_owned(),
            entries: history::compare(&postgres, set).await?,
        });
    }
    Ok(Status { sets: compared })
}

/// The files that are not applied, `set/file`, the stack's own first: as long as there are any, a
/// process of this build may not receive work. A database that is ahead of the build is no reason.
///
/// # Errors
/// See [`status`].
pub async fn pending(
    postgres: &Postgres,
    sets: &[MigrationSet],
) -> Result<Vec<String>, MigrateError> {
    let mut pending = Vec::new();
    for set in &with_stack(sets)? {
        let entries = history::compare(postgres, set).await?;
        pending.extend(
            entries
                .iter()
                .filter(|entry| matches!(entry.state, State::Pending | State::OutOfOrder))
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
                write!(f, "  {:width$}  {}", entry.file, entry.state)?;
                match entry.applied_at {
                    Some(time) => writeln!(f, " {}", time.strftime("%Y-%m-%d %H:%M:%S UTC"))?,
                    None => writeln!(f)?,
                }
            }
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
