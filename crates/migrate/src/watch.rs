//! What a running statement is doing, seen from a second connection: how far the build of an index is,
//! and who holds what the statement waits for.

use std::time::{Duration, Instant};

use kiuas_common::postgres::{Dedicated, Postgres};

use crate::backend::{COLUMNS, describe};
use crate::session::Limits;
use crate::statement::excerpt;

/// Between two reports.
const PAUSE: Duration = Duration::from_secs(5);
/// The first look comes early, while a statement still waits for its lock.
const FIRST: Duration = Duration::from_secs(1);

/// Watches one statement.
pub(crate) struct Watch<'a> {
    postgres: &'a Postgres,
    pid: i32,
    statement: &'a str,
    begin: Instant,
    first: Duration,
    has_looked: bool,
    /// Opened at the first look: most statements are done before.
    connection: Option<Dedicated>,
    blocker: Option<String>,
}

impl<'a> Watch<'a> {
    /// Of the statement that the process `pid` of PostgreSQL begins now.
    pub(crate) fn new(
        postgres: &'a Postgres,
        pid: i32,
        statement: &'a str,
        limits: Limits,
    ) -> Self {
        let half = limits.lock.duration() / 2;
        Self {
            postgres,
            pid,
            statement,
            begin: Instant::now(),
            first: if half.is_zero() {
                FIRST
            } else {
                half.min(FIRST)
            },
            has_looked: false,
            connection: None,
            blocker: None,
        }
    }

    /// Until the next look.
    pub(crate) fn pause(&self) -> Duration {
        if self.has_looked { PAUSE } else { self.first }
    }

    /// Looks, and says what it sees. A failure to look is no failure of the migration.
    pub(crate) async fn look(&mut self) {
        self.has_looked = true;
        if let Err(error) = self.see().await {
            tracing::debug!(%error, "cannot see what the statement is doing");
            self.connection = None;
        }
    }

    /// Who was seen to stand in the way.
    pub(crate) fn finish(self) -> Option<String> {
        self.blocker
    }

    async fn see(&mut self) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        if self.connection.is_none() {
            self.connection = Some(self.postgres.dedicated().await?);
        }
        let Some(connection) = &self.connection else {
            return Ok(());
        };
        let client = &connection.client;
        let blockers = format!(
            "SELECT {COLUMNS} FROM pg_stat_activity a
             WHERE a.pid = ANY (pg_blocking_pids($1)) ORDER BY a.xact_start LIMIT 1"
        );
        let blocker = client.query_opt(&blockers, &[&self.pid]).await?;
        self.blocker = blocker.as_ref().map(describe).transpose()?;
        let progress = client
            .query_opt(PROGRESS, &[&self.pid])
            .await?
            .map(|row| row.try_get::<_, String>(0))
            .transpose()?;
        self.say(progress.as_deref());
        Ok(())
    }

    fn say(&self, progress: Option<&str>) {
        let seconds = self.begin.elapsed().as_secs();
        let statement = excerpt(self.statement);
        match (progress, &self.blocker) {
            (Some(progress), None) => {
                tracing::info!(%statement, seconds, "{progress}, {seconds} s")
            }
            (Some(progress), Some(blocker)) => {
                tracing::info!(%statement, seconds, "{progress}, {seconds} s; waits for {blocker}");
            }
            (None, Some(blocker)) => {
                tracing::info!(seconds, "`{statement}` waits for {blocker}");
            }
            (None, None) => {
                tracing::info!(seconds, "`{statement}` has been running for {seconds} s");
            }
        }
    }
}

/// One line about the build of an index.
const PROGRESS: &str = "
SELECT format('index %s of %s: %s%s%s',
    coalesce(nullif(p.index_relid, 0)::regclass::text, '(new)'), p.relid::regclass, p.phase,
    CASE WHEN p.blocks_total > 0 THEN format(', block %s of %s (%s %%)', p.blocks_done, p.blocks_total,
        p.blocks_done * 100 / p.blocks_total)
    WHEN p.tuples_total > 0 THEN format(', row %s of %s (%s %%)', p.tuples_done, p.tuples_total,
        p.tuples_done * 100 / p.tuples_total)
    ELSE '' END,
    CASE WHEN p.lockers_total > 0 THEN format(', %s of %s older transactions ended', p.lockers_done,
        p.lockers_total) ELSE '' END)
FROM pg_stat_progress_create_index p WHERE p.pid = $1";
