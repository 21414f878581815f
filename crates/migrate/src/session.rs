//! The runner's own connection: its limits, and one statement at a time.

use std::pin::pin;
use std::time::Duration;

use kiuas_common::Period;
use kiuas_common::postgres::{Dedicated, Postgres};
use tokio_postgres::Client;
use tokio_postgres::error::ErrorPosition;

use crate::error::{MigrateError, SqlError};
use crate::file::Header;
use crate::settings::MigrateSettings;
use crate::watch::Watch;

/// How much longer than the server's own limit we wait before a connection counts as dead.
const GRACE: Duration = Duration::from_secs(10);

/// The runner's connection.
pub(crate) struct Session<'a> {
    dedicated: Dedicated,
    /// Its process in PostgreSQL.
    pid: i32,
    postgres: &'a Postgres,
    settings: &'a MigrateSettings,
}

/// How long a statement may wait and run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// For a lock; zero is no limit.
    pub(crate) lock: Period,
    /// In all; zero is no limit.
    pub(crate) statement: Period,
}

/// A statement that failed.
pub(crate) struct Stopped {
    /// What PostgreSQL says.
    pub(crate) source: SqlError,
    /// The character of the statement that it speaks of, from 1.
    pub(crate) position: Option<usize>,
}

impl<'a> Session<'a> {
    /// Connects.
    ///
    /// # Errors
    /// PostgreSQL refused it.
    pub(crate) async fn open(
        postgres: &'a Postgres,
        settings: &'a MigrateSettings,
    ) -> Result<Self, MigrateError> {
        let dedicated = postgres.dedicated().await?;
        let pid = dedicated
            .client
            .query_one("SELECT pg_backend_pid()", &[])
            .await
            .and_then(|row| row.try_get(0))
            .map_err(|error| MigrateError::Session {
                action: "ask for the connection's process",
                source: SqlError::new(None, error),
            })?;
        let this = Self {
            dedicated,
            pid,
            postgres,
            settings,
        };
        let limits = this.limits(&Header::default());
        this.tell(&fresh(limits))
            .await
            .map_err(|source| MigrateError::Session {
                action: "set the limits of the session",
                source,
            })?;
        Ok(this)
    }

    /// For statements of our own with parameters.
    pub(crate) fn client(&self) -> &Client {
        &self.dedicated.client
    }

    /// What was asked for in `[migrate]`.
    pub(crate) fn settings(&self) -> &'a MigrateSettings {
        self.settings
    }

    /// The limits of a file's statements.
    pub(crate) fn limits(&self, header: &Header) -> Limits {
        Limits {
            lock: header.lock_timeout.unwrap_or(self.settings.lock_timeout),
            statement: header
                .statement_timeout
                .unwrap_or(self.settings.statement_timeout),
        }
    }

    /// Runs statements of our own.
    ///
    /// # Errors
    /// What PostgreSQL says.
    pub(crate) async fn tell(&self, text: &str) -> Result<(), SqlError> {
        let outcome = self.dedicated.client.batch_execute(text).await;
        outcome.map_err(|error| SqlError::new(None, error))
    }

    /// Runs a statement of a file, and tells every few seconds how far it is and whom it waits for.
    ///
    /// # Errors
    /// What PostgreSQL says, or that it says nothing.
    pub(crate) async fn run(&self, text: &str, limits: Limits) -> Result<(), Stopped> {
        let mut watch = Watch::new(self.postgres, self.pid, text, limits);
        let mut work = pin!(self.dedicated.client.batch_execute(text));
        let deadline = tokio::time::Instant::now() + limits.statement.duration() + GRACE;
        let outcome = loop {
            tokio::select! {
                outcome = &mut work => break outcome,
                // Zero switches the server's limit off, and ours with it.
                () = tokio::time::sleep_until(deadline), if !limits.statement.duration().is_zero() => {
                    let source = SqlError::silence(Some(text), limits.statement);
                    return Err(Stopped { source, position: None });
                }
                () = tokio::time::sleep(watch.pause()) => watch.look().await,
            }
        };
        outcome.map_err(|error| {
            let position = match error.as_db_error().and_then(|error| error.position()) {
                Some(ErrorPosition::Original(position)) => usize::try_from(*position).ok(),
                _ => None,
            };
            let source = SqlError::new(Some(text), error).behind(watch.finish());
            Stopped { source, position }
        })
    }
}

/// Settings of the session as if the connection were new: a file's `SET` ends with the file.
pub(crate) fn fresh(limits: Limits) -> String {
    format!(
        "RESET ALL; RESET ROLE; SET client_connection_check_interval = 2000; \
         SET client_min_messages = warning; SET standard_conforming_strings = on; {}",
        limits.text()
    )
}

impl Limits {
    /// The statements that set them.
    pub(crate) fn text(self) -> String {
        format!(
            "SET lock_timeout = {}; SET statement_timeout = {}",
            self.lock.duration().as_millis(),
            self.statement.duration().as_millis(),
        )
    }
}
