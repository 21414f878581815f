//! `verify`: whether the database is what the files say.
//!
//! Two questions. Do the histories agree with the files? And are the tables, indexes, functions, … those
//! that the applied files make? For the second one the files are applied to an empty database beside it,
//! and the two catalogues compared.

mod catalogue;
mod shadow;

use std::fmt;

use kiuas_common::postgres::{Postgres, PostgresSettings};
use serde::Serialize;

use crate::error::MigrateError;
use crate::file::Phase;
use crate::repair::{Problem, problems};
use crate::run::APPLICATION;
use crate::session::Session;
use crate::set::{MigrationSet, with_stack};
use crate::settings::MigrateSettings;
use crate::status::State;
use crate::{history, lock};

/// What `verify` shall compare.
#[derive(Debug, Clone, Default)]
pub struct VerifyOptions {
    /// Files and histories alone.
    pub quick: bool,
    /// URL of the server on which the database to compare with is made; the database's own server
    /// otherwise.
    pub shadow_url: Option<String>,
}

/// How the database compares with the files.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Verification {
    /// Expand files that are not applied, `set/file`.
    pub pending: Vec<String>,
    /// What is wrong with histories and indexes.
    pub problems: Vec<Problem>,
    /// Objects that are not what the files make; `None` if that was not compared.
    pub differences: Option<Vec<Difference>>,
}

/// An object that is not what the files make.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Difference {
    /// What it is: `table`, `column`, `index`, …
    pub kind: String,
    /// Its name.
    pub name: String,
    /// What the files make; `None`: they make none.
    pub expected: Option<String>,
    /// What the database has; `None`: it has none.
    pub found: Option<String>,
}

/// Compares. Changes nothing in the database; holds the lock, so that nobody migrates meanwhile.
///
/// # Errors
/// PostgreSQL or the lock is not to be had, or the database to compare with cannot be made.
pub async fn verify(
    postgres: &PostgresSettings,
    settings: &MigrateSettings,
    sets: &[MigrationSet],
    options: &VerifyOptions,
) -> Result<Verification, MigrateError> {
    let sets = with_stack(sets)?;
    let pool = Postgres::open(postgres, APPLICATION)?;
    pool.wait(settings.wait_timeout).await?;
    let session = Session::open(&pool, settings).await?;
    lock::acquire(session.client(), settings.lock_wait).await?;
    let mut verification = Verification {
        problems: problems(session.client(), &sets).await?,
        ..Verification::default()
    };
    for set in &sets {
        for entry in history::compare(session.client(), set).await? {
            if entry.state == State::Pending && entry.phase == Phase::Expand {
                verification
                    .pending
                    .push(format!("{}/{}", set.name(), entry.file));
            }
        }
    }
    if !options.quick {
        let expected = shadow::catalogue(postgres, settings, &session, &sets, options).await?;
        let found = catalogue::read(session.client()).await?;
        let ignored = |name: &str| is_ignored(name, settings, &sets);
        verification.differences = Some(catalogue::compare(&expected, &found, ignored));
    }
    lock::release(session.client()).await?;
    Ok(verification)
}

/// The runner's own tables, and what the settings pass over.
fn is_ignored(name: &str, settings: &MigrateSettings, sets: &[MigrationSet]) -> bool {
    let belongs_to = |table: &str| {
        name.strip_prefix(table).is_some_and(|rest| {
            rest.is_empty() || rest.starts_with('.') || rest.starts_with("_pkey")
        })
    };
    belongs_to("kiuas.migrate_progress")
        || sets.iter().any(|set| belongs_to(set.history()))
        || settings
            .verify_ignore
            .iter()
            .any(|pattern| matches(pattern, name))
}

/// True if `name` is `pattern`, in which `*` stands for any text.
fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((head, tail)) => name.strip_prefix(head).is_some_and(|rest| {
            let ends = rest.char_indices().map(|(at, _)| at).chain([rest.len()]);
            ends.into_iter()
                .any(|at| rest.get(at..).is_some_and(|rest| matches(tail, rest)))
        }),
    }
}

impl Verification {
    /// True if the database is what the files say.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.pending.is_empty()
            && self.problems.is_empty()
            && self.differences.as_ref().is_none_or(Vec::is_empty)
    }

    /// As JSON, indented.
    ///
    /// # Errors
    /// None in practice: every key is a string.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string_pretty(self)
    }
}

impl fmt::Display for Verification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for file in &self.pending {
            writeln!(f, "{file} is not applied\n    `migrate up`")?;
        }
        for problem in &self.problems {
            write!(f, "{problem}")?;
        }
        for difference in self.differences.iter().flatten() {
            write!(f, "{difference}")?;
        }
        match (self.is_good(), &self.differences) {
            (false, _) => writeln!(f, "the database is NOT what the files say"),
            (true, Some(_)) => writeln!(f, "the database is what the files say"),
            (true, None) => writeln!(
                f,
                "the histories are what the files say; nothing else was compared"
            ),
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, name, .. } = self;
        match (&self.expected, &self.found) {
            (Some(_), None) => writeln!(f, "missing {kind} {name}"),
            (None, Some(_)) => writeln!(f, "{kind} {name}, which no file makes"),
            (expected, found) => writeln!(
                f,
                "{kind} {name}\n    files:    {}\n    database: {}",
                expected.as_deref().unwrap_or_default(),
                found.as_deref().unwrap_or_default()
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text() {
        assert!(matches("partman.*", "partman.part_config"));
        assert!(matches("*.event_p*", "public.event_p2026"));
        assert!(matches("a.b", "a.b"));
        assert!(!matches("a.b", "a.bc"));
        assert!(!matches("partman.*", "public.partman"));
    }
}
