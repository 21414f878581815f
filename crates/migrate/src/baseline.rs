//! `baseline`: takes a database that was made otherwise for what the files have made.

use std::fmt;

use kiuas_common::postgres::{Postgres, PostgresSettings};
use serde::Serialize;

use crate::error::MigrateError;
use crate::run::APPLICATION;
use crate::session::Session;
use crate::set::{MigrationSet, file_name, named, with_stack};
use crate::settings::MigrateSettings;
use crate::{history, lock};

/// What is taken for applied.
#[derive(Debug, Clone, Serialize)]
pub struct Baseline {
    /// The set.
    pub set: String,
    /// The files, in order.
    pub files: Vec<String>,
}

/// Records the files of a set up to version `to` as applied, and runs none of them. `set` may be left
/// out if the application has only one.
///
/// # Errors
/// PostgreSQL or the lock is not to be had, there is no such set or version, or the set has a history.
pub async fn baseline(
    postgres: &PostgresSettings,
    settings: &MigrateSettings,
    sets: &[MigrationSet],
    set: Option<&str>,
    to: i32,
) -> Result<Baseline, MigrateError> {
    let sets = with_stack(sets)?;
    let set = named(&sets, set)?;
    if !set
        .migrations()
        .iter()
        .any(|migration| migration.version() == to)
    {
        return Err(MigrateError::Unknown {
            set: set.name().to_owned(),
            what: format!("version {to}"),
        });
    }
    let pool = Postgres::open(postgres, APPLICATION)?;
    pool.wait(settings.wait_timeout).await?;
    let session = Session::open(&pool, settings).await?;
    lock::acquire(session.client(), settings.lock_wait).await?;
    let entries = history::compare(session.client(), set).await?;
    let current = entries
        .iter()
        .filter(|entry| entry.applied_at.is_some())
        .map(|entry| entry.version)
        .max();
    if let Some(current) = current {
        return Err(MigrateError::NoBaseline {
            set: set.name().to_owned(),
            current,
        });
    }
    history::create(session.client(), set).await?;
    let files = set
        .migrations()
        .iter()
        .filter(|migration| migration.version() <= to);
    let inserts: Vec<String> = files
        .clone()
        .map(|migration| history::insert(set, migration))
        .collect();
    let text = format!("BEGIN; {}; COMMIT", inserts.join("; "));
    session
        .tell(&text)
        .await
        .map_err(|source| MigrateError::Session {
            action: "write the history",
            source,
        })?;
    lock::release(session.client()).await?;
    Ok(Baseline {
        set: set.name().to_owned(),
        files: files.map(file_name).collect(),
    })
}

impl Baseline {
    /// As JSON, indented.
    ///
    /// # Errors
    /// None in practice: every key is a string.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string_pretty(self)
    }
}

impl fmt::Display for Baseline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for file in &self.files {
            writeln!(f, "taken for applied: {}/{file}", self.set)?;
        }
        writeln!(
            f,
            "nothing was run; `migrate verify` compares the database with the files"
        )
    }
}
