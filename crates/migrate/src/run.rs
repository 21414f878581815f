//! `up`: applies what is pending, the stack's set first, one file a transaction, under the lock.

use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use kiuas_common::postgres::{Postgres, PostgresSettings};
use refinery_core::Migration;
use serde::Serialize;

use crate::error::MigrateError;
use crate::execute::{self, Failure, Task};
use crate::file::{File, Phase};
use crate::plan::{Plan, planned};
use crate::select::{Chosen, Want, choose};
use crate::session::Session;
use crate::set::{MigrationSet, file_name, file_of, with_stack};
use crate::settings::MigrateSettings;
use crate::{dump, history, lock};

/// What `pg_stat_activity` shows for a runner.
pub(crate) const APPLICATION: &str = "kiuas migrate";

/// What a run shall do.
#[derive(Debug, Clone, Default)]
pub struct UpOptions {
    /// Which phases it applies.
    pub want: Want,
    /// Where a dump goes before contract files are applied to a database in use; `None`: no dump.
    pub dump: Option<PathBuf>,
}

/// What a run did.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Report {
    /// The files that it applied, in order; empty if there was nothing to do.
    pub applied: Vec<Applied>,
    /// Contract files that wait for their phase, `set/file`.
    pub held_back: Vec<String>,
    /// The dump that it made before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dump: Option<PathBuf>,
}

/// A file that was applied.
#[derive(Debug, Clone, Serialize)]
pub struct Applied {
    /// Its set.
    pub set: String,
    /// Its name.
    pub file: String,
    /// How long it took, with its commit and all tries.
    #[serde(rename = "milliseconds", serialize_with = "milliseconds")]
    pub took: Duration,
    /// How often it was tried until its locks were to be had, at least once.
    pub tries: u32,
}

fn milliseconds<S: serde::Serializer>(took: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(took.as_millis()).unwrap_or(u64::MAX))
}

/// Applies pending expand files: [`up_with`] default options.
///
/// # Errors
/// See [`up_with`].
pub async fn up(
    postgres: &PostgresSettings,
    settings: &MigrateSettings,
    sets: &[MigrationSet],
) -> Result<Report, MigrateError> {
    up_with(postgres, settings, sets, &UpOptions::default()).await
}

/// Applies pending files of the stack's set and then of `sets`. Waits for PostgreSQL and for another
/// runner, both with a limit; a second runner finds nothing to do.
///
/// # Errors
/// PostgreSQL or the lock is not to be had, the histories and the files contradict one another, the plan
/// refuses a statement (nothing is applied then), or a file failed ([`MigrateError::Failed`]; the files
/// before it stay applied).
pub async fn up_with(
    postgres: &PostgresSettings,
    settings: &MigrateSettings,
    sets: &[MigrationSet],
    options: &UpOptions,
) -> Result<Report, MigrateError> {
    let sets = with_stack(sets)?;
    let pool = Postgres::open(postgres, APPLICATION)?;
    pool.wait(settings.wait_timeout).await?;
    let session = Session::open(&pool, settings).await?;
    lock::acquire(session.client(), settings.lock_wait).await?;
    let mut report = Report::default();
    let work = work(&session, &sets, options, &mut report).await?;
    if let Some(directory) = &options.dump
        && work.iter().any(|(_, chosen)| takes_away(chosen))
    {
        report.dump = Some(dump::dump(postgres, settings, directory).await?);
    }
    apply_all(&session, &work, &mut report).await?;
    lock::release(session.client()).await?;
    Ok(report)
}

type Work<'a> = Vec<(&'a MigrationSet, Chosen<'a>)>;

/// All sets are judged before the first file runs: a contradiction leaves the database untouched.
async fn work<'a>(
    session: &Session<'_>,
    sets: &'a [MigrationSet],
    options: &UpOptions,
    report: &mut Report,
) -> Result<Work<'a>, MigrateError> {
    let mut work = Vec::new();
    let mut plan = Plan { files: Vec::new() };
    for set in sets {
        let entries = history::compare(session.client(), set).await?;
        let chosen = choose(set, &entries, options.want)?;
        plan.files.extend(planned(set, &entries, &chosen)?);
        for entry in entries.iter().filter(|entry| entry.applied_at.is_none()) {
            if !chosen
                .files
                .iter()
                .any(|file| file.version() == entry.version)
            {
                report
                    .held_back
                    .push(format!("{}/{}", set.name(), entry.file));
            }
        }
        if !chosen.files.is_empty() {
            work.push((set, chosen));
        }
    }
    plan.check()?;
    for (set, chosen) in &work {
        for migration in &chosen.files {
            check_statements(set, migration)?;
        }
    }
    Ok(work)
}

/// A `COMMIT` in a file would make half of it durable when the other half fails.
fn check_statements(set: &MigrationSet, migration: &Migration) -> Result<(), MigrateError> {
    let file = file_of(set, migration)?;
    match file
        .statements
        .iter()
        .find(|statement| statement.controls_transaction())
    {
        None => Ok(()),
        Some(statement) => Err(MigrateError::TransactionControl {
            set: set.name().to_owned(),
            file: file_name(migration),
            line: statement.line,
            statement: statement.excerpt(),
        }),
    }
}

fn takes_away(chosen: &Chosen<'_>) -> bool {
    let is_contract = |migration: &&Migration| {
        File::parse(migration.sql().unwrap_or_default())
            .is_ok_and(|file| file.header.phase == Phase::Contract)
    };
    chosen.guarded && chosen.files.iter().any(is_contract)
}

async fn apply_all(
    session: &Session<'_>,
    work: &Work<'_>,
    report: &mut Report,
) -> Result<(), MigrateError> {
    let last = work.len();
    for (number, (set, chosen)) in work.iter().enumerate() {
        history::create(session.client(), set).await?;
        let files = chosen.files.len();
        for (position, migration) in chosen.files.iter().enumerate() {
            let is_last = number + 1 == last && position + 1 == files;
            apply(session, set, migration, is_last, report).await?;
        }
    }
    Ok(())
}

async fn apply(
    session: &Session<'_>,
    set: &MigrationSet,
    migration: &Migration,
    is_last: bool,
    report: &mut Report,
) -> Result<(), MigrateError> {
    let file = file_of(set, migration)?;
    let begin = Instant::now();
    let task = Task {
        set,
        migration,
        file: &file,
        is_last,
    };
    let tries = match execute::apply(session, task).await {
        Ok(tries) => tries,
        Err(failure) => return Err(failed(session, set, migration, report, failure).await),
    };
    let (name, file, took) = (set.name(), file_name(migration), begin.elapsed());
    tracing::info!(
        migration.set = name,
        migration.file = %file,
        migration.duration = ?took,
        "applied {name}/{file}"
    );
    report.applied.push(Applied {
        set: name.to_owned(),
        file,
        took,
        tries,
    });
    Ok(())
}

async fn failed(
    session: &Session<'_>,
    set: &MigrationSet,
    migration: &Migration,
    report: &Report,
    failure: Failure,
) -> MigrateError {
    let applied = report.applied.iter().map(ToString::to_string).collect();
    let entries = history::compare(session.client(), set)
        .await
        .unwrap_or_default();
    let current = entries
        .iter()
        .filter(|entry| entry.applied_at.is_some())
        .map(|entry| entry.version)
        .max();
    MigrateError::from(Box::new(failure.of(
        set,
        file_name(migration),
        current,
        applied,
    )))
}

impl fmt::Display for Applied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.set, self.file)
    }
}

impl Report {
    /// As JSON, indented.
    ///
    /// # Errors
    /// None in practice: every key is a string.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string_pretty(self)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(dump) = &self.dump {
            writeln!(f, "dumped to {}", dump.display())?;
        }
        for applied in &self.applied {
            write!(f, "applied {applied} in {} ms", applied.took.as_millis())?;
            match applied.tries {
                0 | 1 => writeln!(f)?,
                tries => writeln!(f, ", {tries} tries")?,
            }
        }
        for held in &self.held_back {
            writeln!(f, "waits for its phase: {held}")?;
        }
        match self.applied.len() {
            0 if self.held_back.is_empty() => {
                writeln!(f, "nothing to do: every migration is applied")
            }
            0 => writeln!(f, "nothing to do in this phase"),
            1 => writeln!(f, "1 migration applied"),
            count => writeln!(f, "{count} migrations applied"),
        }
    }
}
