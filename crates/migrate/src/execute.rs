//! One file, applied whole: in a transaction together with its row in the history, and tried again when
//! a lock was not to be had.

use std::time::{Duration, Instant};

use refinery_core::Migration;

use crate::error::{Failed, SqlError};
use crate::file::File;
use crate::session::{Limits, Session, Stopped, fresh};
use crate::set::MigrationSet;
use crate::statement::{Statement, line_of, offset_at};
use crate::{history, separate};

/// The longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// A file that is to be applied.
#[derive(Clone, Copy)]
pub(crate) struct Task<'a> {
    /// Its set.
    pub(crate) set: &'a MigrationSet,
    /// The file.
    pub(crate) migration: &'a Migration,
    /// What is in it.
    pub(crate) file: &'a File<'a>,
    /// True for the last file of a run: its commit is waited for to be on disk, and with it all others.
    /// A crash before takes whole files with their rows in the history, so that nothing is lost but work.
    pub(crate) is_last: bool,
}

/// Where and why a file failed.
pub(crate) struct Failure {
    /// Line in the file, from 1; `None` if it was the commit.
    pub(crate) line: Option<usize>,
    /// What PostgreSQL says.
    pub(crate) source: SqlError,
    /// Statements that stay done: of a file without a transaction.
    pub(crate) done: Option<usize>,
}

/// Applies the file. Returns how many tries it took.
pub(crate) async fn apply(session: &Session<'_>, task: Task<'_>) -> Result<u32, Failure> {
    if task.file.header.no_transaction {
        return separate::apply(session, task).await;
    }
    let mut tries = Tries::new(session);
    loop {
        match transact(session, task).await {
            Ok(()) => return Ok(tries.count),
            Err(failure) => tries.again(failure, &task.migration.to_string()).await?,
        }
    }
}

async fn transact(session: &Session<'_>, task: Task<'_>) -> Result<(), Failure> {
    let limits = session.limits(&task.file.header);
    let begin = format!("{}; BEGIN{}", fresh(limits), durability(task.is_last));
    session.tell(&begin).await.map_err(at_commit)?;
    let outcome = statements(session, task, limits).await;
    if outcome.is_err() {
        // What PostgreSQL cannot roll back now, it does when the connection ends.
        drop(session.tell("ROLLBACK").await);
    }
    outcome
}

async fn statements(session: &Session<'_>, task: Task<'_>, limits: Limits) -> Result<(), Failure> {
    for statement in &task.file.statements {
        session
            .run(statement.text, limits)
            .await
            .map_err(|stopped| failed(task.file, statement, stopped))?;
    }
    let end = format!("{}; COMMIT", history::insert(task.set, task.migration));
    session.tell(&end).await.map_err(at_commit)
}

/// Whether the commit waits for the disk.
pub(crate) fn durability(is_last: bool) -> &'static str {
    if is_last {
        ""
    } else {
        "; SET LOCAL synchronous_commit = off"
    }
}

pub(crate) fn at_commit(source: SqlError) -> Failure {
    Failure {
        line: None,
        source,
        done: None,
    }
}

/// PostgreSQL gives a position for what it could not understand; anything else is the statement's.
pub(crate) fn failed(file: &File<'_>, statement: &Statement<'_>, stopped: Stopped) -> Failure {
    let line = stopped.position.map_or(statement.line, |position| {
        line_of(
            file.sql,
            statement.start + offset_at(statement.text, position),
        )
    });
    Failure {
        line: Some(line),
        source: stopped.source,
        done: None,
    }
}

impl Failure {
    /// The error about it. `current`: the version that the set is left at.
    pub(crate) fn of(
        self,
        set: &MigrationSet,
        file: String,
        current: Option<i32>,
        applied: Vec<String>,
    ) -> Failed {
        Failed {
            set: set.name().to_owned(),
            file,
            line: self.line,
            done: self.done,
            current,
            applied,
            source: self.source,
        }
    }
}

/// Tries of one file or statement.
pub(crate) struct Tries {
    /// How many there were.
    pub(crate) count: u32,
    most: u32,
    pause: Duration,
    begin: Instant,
}

impl Tries {
    pub(crate) fn new(session: &Session<'_>) -> Self {
        let settings = session.settings();
        Self {
            count: 1,
            most: settings.lock_retries.saturating_add(1),
            pause: settings.retry_pause.duration(),
            begin: Instant::now(),
        }
    }

    /// Waits before the next try, if `failure` was about a lock and there is one left.
    ///
    /// # Errors
    /// The failure, if there is none.
    pub(crate) async fn again(&mut self, failure: Failure, what: &str) -> Result<(), Failure> {
        if !failure.source.is_about_locks() {
            return Err(failure);
        }
        if self.count >= self.most {
            let seconds = self.begin.elapsed().as_secs();
            let source = failure.source.after(self.count, seconds);
            return Err(Failure { source, ..failure });
        }
        let pause = self.pause.min(LONGEST_PAUSE);
        tracing::warn!(
            tries = self.count,
            "{what}: no lock ({}); nobody waits behind it now, next try in {pause:?}",
            failure.source
        );
        tokio::time::sleep(pause).await;
        self.pause = pause * 2;
        self.count += 1;
        Ok(())
    }
}
