//! Section `[migrate]`.

use kiuas_common::Period;
use serde::{Deserialize, Serialize};

/// Section `[migrate]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MigrateSettings {
    /// Longest wait for another runner to finish.
    pub lock_wait: Period,
    /// Longest wait of one statement for a lock on a table or a row. Visitors' queries queue up behind
    /// a waiting migration, so it is short.
    pub lock_timeout: Period,
    /// How often a file is tried again after a lock was not to be had.
    pub lock_retries: u32,
    /// Pause before the first new try; each further one is twice as long, up to 30 s.
    pub retry_pause: Period,
    /// Longest run of one statement.
    pub statement_timeout: Period,
    /// Longest run of a statement that keeps nobody waiting: `CREATE INDEX CONCURRENTLY`, `VACUUM`.
    pub concurrent_timeout: Period,
    /// Longest wait at start for PostgreSQL to answer.
    pub wait_timeout: Period,
    /// The program that writes a dump.
    pub dump_program: String,
    /// Longest run of that program.
    pub dump_timeout: Period,
    /// What `verify` passes over: `schema.name`, with `*` for any text.
    pub verify_ignore: Vec<String>,
}

impl Default for MigrateSettings {
    fn default() -> Self {
        Self {
            lock_wait: Period::seconds(60),
            lock_timeout: Period::seconds(2),
            lock_retries: 10,
            retry_pause: Period::seconds(1),
            statement_timeout: Period::seconds(300),
            concurrent_timeout: Period::seconds(6 * 3600),
            wait_timeout: Period::seconds(30),
            dump_program: "pg_dump".to_owned(),
            dump_timeout: Period::seconds(3600),
            verify_ignore: Vec::new(),
        }
    }
}
