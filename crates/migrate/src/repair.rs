//! `repair`: what is wrong with histories and indexes, and putting right what is named.

use std::fmt;

use kiuas_common::postgres::{Postgres, PostgresSettings};
use serde::Serialize;
use tokio_postgres::Client;

use crate::error::{MigrateError, SqlError};
use crate::index::drop_invalid;
use crate::run::APPLICATION;
use crate::session::Session;
use crate::set::{MigrationSet, file_name, with_stack};
use crate::settings::MigrateSettings;
use crate::status::{Entry, State};
use crate::{history, lock};

/// What to put right. Files are named `set/file`, as `status` and `repair` show them.
#[derive(Debug, Clone, Default)]
pub struct Repairs {
    /// Changed on purpose: their checksums are taken over.
    pub accept: Vec<String>,
    /// Gone on purpose: their rows are deleted.
    pub forget: Vec<String>,
    /// Done by hand: they are recorded.
    pub mark_applied: Vec<String>,
    /// Files without a transaction that shall begin anew.
    pub restart: Vec<String>,
    /// Drops invalid indexes.
    pub drop_invalid_indexes: bool,
}

/// What was put right and what is still wrong.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Condition {
    /// What was put right.
    pub repaired: Vec<String>,
    /// What is wrong.
    pub problems: Vec<Problem>,
}

/// Something that is wrong, and what helps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// What is wrong.
    pub problem: String,
    /// What helps.
    pub advice: String,
}

/// Puts right what `repairs` names, under the lock, and says what is wrong then.
///
/// # Errors
/// PostgreSQL or the lock is not to be had, a file is unknown, or it is in no state for its repair;
/// repairs before that one are done.
pub async fn repair(
    postgres: &PostgresSettings,
    settings: &MigrateSettings,
    sets: &[MigrationSet],
    repairs: &Repairs,
) -> Result<Condition, MigrateError> {
    let sets = with_stack(sets)?;
    let pool = Postgres::open(postgres, APPLICATION)?;
    pool.wait(settings.wait_timeout).await?;
    let session = Session::open(&pool, settings).await?;
    lock::acquire(session.client(), settings.lock_wait).await?;
    let mut condition = Condition::default();
    for (repair, files) in [
        (&ACCEPT, &repairs.accept),
        (&FORGET, &repairs.forget),
        (&MARK_APPLIED, &repairs.mark_applied),
        (&RESTART, &repairs.restart),
    ] {
        for file in files {
            condition
                .repaired
                .push(apply(&session, &sets, repair, file).await?);
        }
    }
    if repairs.drop_invalid_indexes {
        for index in invalid_indexes(session.client()).await? {
            drop_invalid(&session, &index)
                .await
                .map_err(|source| MigrateError::Session {
                    action: "repair",
                    source,
                })?;
            condition
                .repaired
                .push(format!("dropped the invalid index {index}"));
        }
    }
    condition.problems = problems(session.client(), &sets).await?;
    lock::release(session.client()).await?;
    Ok(condition)
}

/// One kind of repair.
struct Kind {
    /// What it does, for errors.
    action: &'static str,
    /// What it has done.
    done: &'static str,
    fits: fn(State) -> bool,
    statement: fn(&MigrationSet, &Entry) -> String,
}

const ACCEPT: Kind = Kind {
    action: "accept",
    done: "accepted as it is now",
    fits: |state| state == State::Changed,
    statement: |set, entry| {
        let migration = set
            .migrations()
            .iter()
            .find(|one| one.version() == entry.version);
        migration.map_or_else(String::new, |migration| {
            format!(
                "UPDATE {} SET name = '{}', checksum = '{}' WHERE version = {}",
                set.history(),
                migration.name().replace('\'', "''"),
                migration.checksum(),
                entry.version
            )
        })
    },
};
const FORGET: Kind = Kind {
    action: "forget",
    done: "forgotten",
    fits: |state| state == State::Missing,
    statement: |set, entry| {
        format!(
            "DELETE FROM {} WHERE version = {}",
            set.history(),
            entry.version
        )
    },
};
const MARK_APPLIED: Kind = Kind {
    action: "mark as applied",
    done: "marked as applied",
    fits: |state| matches!(state, State::Pending | State::OutOfOrder),
    statement: |set, entry| {
        let migration = set
            .migrations()
            .iter()
            .find(|one| one.version() == entry.version);
        migration.map_or_else(String::new, |migration| history::insert(set, migration))
    },
};
const RESTART: Kind = Kind {
    action: "restart",
    done: "begins anew",
    fits: |state| matches!(state, State::Pending | State::OutOfOrder),
    statement: |set, entry| {
        format!(
            "DELETE FROM kiuas.migrate_progress WHERE history = '{}' AND version = {}",
            set.history(),
            entry.version
        )
    },
};

async fn apply(
    session: &Session<'_>,
    sets: &[MigrationSet],
    kind: &Kind,
    file: &str,
) -> Result<String, MigrateError> {
    let (set, name) = find(sets, file)?;
    let entries = history::compare(session.client(), set).await?;
    let entry = entries.iter().find(|entry| entry.file == name);
    let entry = entry.ok_or_else(|| MigrateError::Unknown {
        set: set.name().to_owned(),
        what: format!("file `{name}`"),
    })?;
    if !(kind.fits)(entry.state) {
        return Err(MigrateError::NoRepair {
            action: kind.action,
            set: set.name().to_owned(),
            file: name.to_owned(),
            state: entry.state.to_string(),
        });
    }
    history::create(session.client(), set).await?;
    tell(session, &(kind.statement)(set, entry)).await?;
    Ok(format!("{}/{name}: {}", set.name(), kind.done))
}

/// The set and the file of `set/file`; of a single set the name may be left out.
fn find<'a, 'b>(
    sets: &'a [MigrationSet],
    file: &'b str,
) -> Result<(&'a MigrationSet, &'b str), MigrateError> {
    let (set, name) = match file.split_once('/') {
        Some((set, name)) => (Some(set), name),
        None => (None, file),
    };
    Ok((crate::set::named(sets, set)?, name))
}

async fn tell(session: &Session<'_>, text: &str) -> Result<(), MigrateError> {
    session
        .tell(text)
        .await
        .map_err(|source| MigrateError::Session {
            action: "repair",
            source,
        })
}

/// Everything that is wrong.
pub(crate) async fn problems(
    client: &Client,
    sets: &[MigrationSet],
) -> Result<Vec<Problem>, MigrateError> {
    let mut problems = Vec::new();
    for set in sets {
        for entry in history::compare(client, set).await? {
            problems.extend(problem(set, &entry));
        }
        problems.extend(half_applied(client, set).await?);
    }
    for index in invalid_indexes(client).await? {
        problems.push(Problem {
            problem: format!("the index {index} is invalid: a build of it has failed"),
            advice: "`migrate repair --drop-invalid-indexes`, then build it again".to_owned(),
        });
    }
    Ok(problems)
}

fn problem(set: &MigrationSet, entry: &Entry) -> Option<Problem> {
    let file = format!("{}/{}", set.name(), entry.file);
    let (problem, advice) = match entry.state {
        State::Applied | State::Pending => return None,
        State::Changed => (
            "was changed after it had been applied",
            format!(
                "restore it and put the change into a new file; if it does the same as before, \
                 `migrate repair --accept {file}`"
            ),
        ),
        State::Missing => (
            "was applied and is not among the files any more",
            format!(
                "restore it, or run the release that has it; if it is gone for good, \
                 `migrate repair --forget {file}`"
            ),
        ),
        State::OutOfOrder => (
            "was never applied, but a newer one was",
            format!(
                "give it a higher number; if what it does is done, `migrate repair --mark-applied {file}`"
            ),
        ),
    };
    Some(Problem {
        problem: format!("{file} {problem}"),
        advice,
    })
}

async fn half_applied(client: &Client, set: &MigrationSet) -> Result<Vec<Problem>, MigrateError> {
    let failed = |error| MigrateError::Session {
        action: "read how far files without a transaction have come",
        source: SqlError::new(None, error),
    };
    let exists = client
        .query_one(
            "SELECT to_regclass('kiuas.migrate_progress') IS NOT NULL",
            &[],
        )
        .await
        .map_err(failed)?;
    if !exists.try_get::<_, bool>(0).map_err(failed)? {
        return Ok(Vec::new());
    }
    let text =
        "SELECT version, done FROM kiuas.migrate_progress WHERE history = $1 ORDER BY version";
    let mut problems = Vec::new();
    for row in client
        .query(text, &[&set.history()])
        .await
        .map_err(failed)?
    {
        let (version, done): (i32, i32) = (
            row.try_get(0).map_err(failed)?,
            row.try_get(1).map_err(failed)?,
        );
        let migration = set.migrations().iter().find(|one| one.version() == version);
        let file = migration.map_or_else(|| format!("version {version}"), file_name);
        problems.push(Problem {
            problem: format!(
                "{}/{file} is half applied: {done} statements are done",
                set.name()
            ),
            advice: "`migrate up` goes on behind them; `migrate repair --restart` begins it anew"
                .to_owned(),
        });
    }
    Ok(problems)
}

/// Invalid indexes that nobody is building, as a statement names them.
async fn invalid_indexes(client: &Client) -> Result<Vec<String>, MigrateError> {
    let text = "
        SELECT i.indexrelid::regclass::text FROM pg_index i
        JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE NOT i.indisvalid AND c.relkind = 'i' AND n.nspname !~ '^pg_'
          AND NOT EXISTS (SELECT FROM pg_stat_progress_create_index p WHERE p.index_relid = i.indexrelid)
        ORDER BY 1";
    let failed = |error| MigrateError::Session {
        action: "look for invalid indexes",
        source: SqlError::new(None, error),
    };
    let rows = client.query(text, &[]).await.map_err(failed)?;
    rows.iter()
        .map(|row| row.try_get(0).map_err(failed))
        .collect()
}

impl Condition {
    /// As JSON, indented.
    ///
    /// # Errors
    /// None in practice: every key is a string.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string_pretty(self)
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for repaired in &self.repaired {
            writeln!(f, "{repaired}")?;
        }
        for problem in &self.problems {
            write!(f, "{problem}")?;
        }
        if self.problems.is_empty() {
            writeln!(f, "nothing is wrong")?;
        }
        Ok(())
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n    {}", self.problem, self.advice)
    }
}
