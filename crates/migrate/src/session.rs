//! The connection that refinery drives: every file begins with fresh session settings, runs in one
//! transaction, and a failure remembers its statement.

use std::collections::VecDeque;
use std::fmt;
use std::pin::pin;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use kiuas_common::Period;
use refinery_core::Migration;
use refinery_core::traits::r#async::{AsyncMigrate, AsyncQuery, AsyncTransaction};
use tokio_postgres::error::ErrorPosition;
use tokio_postgres::{Client, SimpleQueryMessage};

use crate::error::{MigrateError, SqlError};
use crate::run::Applied;
use crate::set::{MigrationSet, file_name};
use crate::settings::MigrateSettings;
use crate::statement;

/// How much longer than the server's own limit we wait before a connection counts as dead.
const GRACE: Duration = Duration::from_secs(10);

/// A migration's connection while one set is applied.
pub(crate) struct Session<'a> {
    client: &'a mut Client,
    set: &'a MigrationSet,
    settings: &'a MigrateSettings,
    /// What refinery will run, in its order.
    waiting: VecDeque<&'a Migration>,
    applied: Vec<Applied>,
    failure: Option<Failure>,
}

/// Where and why a file failed.
pub(crate) struct Failure {
    /// The file; `None` if a statement of refinery's own failed.
    pub(crate) file: Option<String>,
    /// Line of the failure in the file, from 1.
    pub(crate) line: Option<usize>,
    /// What PostgreSQL says.
    pub(crate) source: SqlError,
}

/// What refinery is told when a [`Failure`] was kept.
#[derive(Debug)]
pub(crate) struct Interrupted;

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a statement failed")
    }
}

impl std::error::Error for Interrupted {}

impl<'a> Session<'a> {
    /// For `set`, on a connection that holds the lock.
    pub(crate) fn new(
        client: &'a mut Client,
        set: &'a MigrationSet,
        settings: &'a MigrateSettings,
        waiting: VecDeque<&'a Migration>,
    ) -> Self {
        Self {
            client,
            set,
            settings,
            waiting,
            applied: Vec::new(),
            failure: None,
        }
    }

    /// What was applied, and what stopped it.
    pub(crate) fn finish(self) -> (Vec<Applied>, Option<Failure>) {
        (self.applied, self.failure)
    }

    async fn transact(&mut self, queries: Vec<&str>) -> Result<(), Failure> {
        prepare(self.client, self.settings)
            .await
            .map_err(Failure::ours)?;
        let begin = Instant::now();
        let file = self.next_file(queries.first().copied());
        let ours = |error| Failure::ours(SqlError::new(None, error));
        let transaction = self.client.transaction().await.map_err(ours)?;
        for sql in queries {
            let patience = self.settings.statement_timeout;
            run(transaction.client(), sql, patience)
                .await
                .map_err(|(line, source)| Failure {
                    file: file.clone(),
                    line,
                    source,
                })?;
        }
        transaction.commit().await.map_err(|error| Failure {
            file: file.clone(),
            line: None,
            source: SqlError::new(Some("COMMIT".to_owned()), error),
        })?;
        if let Some(file) = file {
            self.record(file, begin.elapsed());
        }
        Ok(())
    }

    fn record(&mut self, file: String, took: Duration) {
        let set = self.set.name();
        tracing::info!(
            migration.set = set,
            migration.file = %file,
            migration.duration = ?took,
            "applied {set}/{file}"
        );
        self.waiting.pop_front();
        self.applied.push(Applied {
            set: set.to_owned(),
            file,
            took,
        });
    }

    /// The file whose text `sql` is; `None` for refinery's own statements.
    fn next_file(&self, sql: Option<&str>) -> Option<String> {
        let next = self.waiting.front().filter(|next| next.sql() == sql);
        next.copied().map(file_name)
    }
}

impl Failure {
    fn ours(source: SqlError) -> Self {
        Self {
            file: None,
            line: None,
            source,
        }
    }
}

impl AsyncTransaction for Session<'_> {
    type Error = Interrupted;

    async fn execute<'a, T: Iterator<Item = &'a str> + Send + 'a>(
        &'a mut self,
        queries: T,
    ) -> Result<usize, Interrupted> {
        let queries: Vec<&str> = queries.collect();
        let count = queries.len();
        match self.transact(queries).await {
            Ok(()) => Ok(count),
            Err(failure) => {
                self.failure = Some(failure);
                Err(Interrupted)
            }
        }
    }
}

impl AsyncQuery<Vec<Migration>> for Session<'_> {
    async fn query<'a>(&'a mut self, query: &'a str) -> Result<Vec<Migration>, Interrupted> {
        AsyncQuery::query(&mut *self.client, query)
            .await
            .map_err(|error| {
                self.failure = Some(Failure::ours(SqlError::new(None, error)));
                Interrupted
            })
    }
}

impl AsyncMigrate for Session<'_> {}

/// Settings of the session, as if the connection were new: a file's `SET` ends with the file.
///
/// # Errors
/// PostgreSQL refused one.
pub(crate) async fn prepare(client: &Client, settings: &MigrateSettings) -> Result<(), SqlError> {
    let text = format!(
        "RESET ALL; RESET ROLE; SET lock_timeout = {}; SET statement_timeout = {}; \
         SET client_connection_check_interval = 2000; SET client_min_messages = warning",
        settings.lock_timeout.duration().as_millis(),
        settings.statement_timeout.duration().as_millis(),
    );
    client
        .batch_execute(&text)
        .await
        .map_err(|error| SqlError::new(None, error))
}

/// Creates the schema of `set`'s history.
///
/// # Errors
/// PostgreSQL refused it.
pub(crate) async fn create_schema(client: &Client, set: &MigrationSet) -> Result<(), MigrateError> {
    let schema = set.history().split('.').next().unwrap_or_default();
    // Asked first: a role that may not create schemas may still migrate where there is one.
    let exists = client
        .query_one("SELECT to_regnamespace($1::text) IS NOT NULL", &[&schema])
        .await
        .and_then(|row| row.try_get::<_, bool>(0));
    let outcome = match exists {
        Ok(true) => Ok(()),
        Ok(false) => {
            client
                .batch_execute(&format!("CREATE SCHEMA IF NOT EXISTS {schema}"))
                .await
        }
        Err(error) => Err(error),
    };
    outcome.map_err(|error| MigrateError::Session {
        action: "create the schema of the history",
        source: SqlError::new(None, error),
    })
}

/// Runs all statements of `sql`; on failure says in which line of it.
async fn run(
    client: &Client,
    sql: &str,
    patience: Period,
) -> Result<(), (Option<usize>, SqlError)> {
    let mut completed = 0;
    let locate = |completed: usize, error| locate(sql, completed, error);
    let stream = client.simple_query_raw(sql).await;
    let mut stream = pin!(stream.map_err(|error| locate(completed, error))?);
    loop {
        // Zero switches the server's limit off, and ours with it.
        let next = if patience.duration().is_zero() {
            stream.next().await
        } else {
            tokio::time::timeout(patience.duration() + GRACE, stream.next())
                .await
                .map_err(|_| silent(sql, completed, patience))?
        };
        match next {
            None => return Ok(()),
            Some(Ok(SimpleQueryMessage::CommandComplete(_))) => completed += 1,
            Some(Ok(_)) => {}
            Some(Err(error)) => return Err(locate(completed, error)),
        }
    }
}

fn silent(sql: &str, completed: usize, patience: Period) -> (Option<usize>, SqlError) {
    let statements = statement::split(sql);
    let failed = statements.get(completed);
    (
        failed.map(|statement| statement.line),
        SqlError::silence(failed.map(statement::Statement::excerpt), patience),
    )
}

/// PostgreSQL gives a position for what it could not understand; for everything else the number of
/// statements that completed tells which one failed.
fn locate(sql: &str, completed: usize, error: tokio_postgres::Error) -> (Option<usize>, SqlError) {
    let statements = statement::split(sql);
    let position = match error.as_db_error().and_then(|error| error.position()) {
        Some(ErrorPosition::Original(position)) => usize::try_from(*position).ok(),
        _ => None,
    };
    let failed = match position {
        Some(position) => {
            let offset = statement::offset_at(sql, position);
            statements.iter().find(|statement| offset <= statement.end)
        }
        None => statements.get(completed),
    };
    let line = position.map(|position| statement::line_at(sql, position));
    (
        line.or(failed.map(|statement| statement.line)),
        SqlError::new(failed.map(statement::Statement::excerpt), error),
    )
}
