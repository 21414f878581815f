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
    /// Longest run of one statement.
    pub statement_timeout: Period,
    /// Longest wait at start for PostgreSQL to answer.
    pub wait_timeout: Period,
}

impl Default for MigrateSettings {
    fn default() -> Self {
        Self {
            lock_wait: Period::seconds(60),
            lock_timeout: Period::seconds(5),
            statement_timeout: Period::seconds(300),
            wait_timeout: Period::seconds(30),
        }
    }
}
