//! What can go wrong with migrations, in words that say what to do.

mod failed;
mod sql;

use std::path::PathBuf;

use kiuas_common::Period;
use kiuas_common::postgres::PostgresError;

pub use failed::Failed;
pub use sql::SqlError;

/// What can go wrong with migrations.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MigrateError {
    /// A file's name says no version.
    #[error("migration file `{file}` of `{set}` is misnamed: write V<number>__<name>.sql")]
    Name {
        /// The set.
        set: String,
        /// The file.
        file: String,
    },
    /// Two files claim one version.
    #[error("`{one}` and `{other}` of `{set}` have the same version: renumber the newer one")]
    Repeated {
        /// The set.
        set: String,
        /// One file.
        one: String,
        /// The other file.
        other: String,
    },
    /// The name of a history table would not survive unquoted.
    #[error("`{table}` is no name for the history of `{set}`: write schema.table in lower case")]
    HistoryName {
        /// The set.
        set: String,
        /// The name.
        table: String,
    },
    /// Two sets would mix their histories.
    #[error("the sets `{one}` and `{other}` share the history table `{table}`: give one its own")]
    SharedHistory {
        /// One set.
        one: String,
        /// The other set.
        other: String,
        /// The table.
        table: String,
    },
    /// A directory could not be read.
    #[error("cannot read the directory of migrations `{directory}`")]
    Directory {
        /// The directory.
        directory: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// A file is in the directory and not in the binary.
    #[error(
        "`{file}` is not part of the set `{set}`: name it V<number>__<name>.sql and build again"
    )]
    Unlisted {
        /// The set.
        set: String,
        /// The file.
        file: String,
    },
    /// PostgreSQL cannot be reached, or refused a statement of ours.
    #[error("cannot migrate: PostgreSQL is not usable")]
    Postgres(#[from] PostgresError),
    /// A statement of ours on the migration's own connection failed.
    #[error("cannot migrate: failed to {action}")]
    Session {
        /// What we tried.
        action: &'static str,
        /// Why not.
        #[source]
        source: SqlError,
    },
    /// Another runner did not finish in time.
    #[error(
        "another migration held the lock for longer than `migrate.lock_wait` = {waited}: {holder}"
    )]
    Locked {
        /// How long we waited.
        waited: Period,
        /// Who holds it, as `pg_stat_activity` knows it.
        holder: String,
    },
    /// The history table holds what no migration wrote.
    #[error("cannot read the history `{table}` of `{set}`: {problem}")]
    History {
        /// The set.
        set: String,
        /// The table.
        table: String,
        /// What is wrong.
        problem: String,
    },
    /// An applied file was changed afterwards.
    #[error(
        "`{file}` of `{set}` was changed after it had been applied at {applied_at}: \
         restore it, and put the change into a new file"
    )]
    Changed {
        /// The set.
        set: String,
        /// The file.
        file: String,
        /// When it was applied.
        applied_at: jiff::Timestamp,
    },
    /// An applied file is gone.
    #[error(
        "`{file}` of `{set}` was applied at {applied_at} and is not among the files any more: \
         restore it, or run the release that has it"
    )]
    Missing {
        /// The set.
        set: String,
        /// The file.
        file: String,
        /// When it was applied.
        applied_at: jiff::Timestamp,
    },
    /// A file that was not applied sorts before one that was.
    #[error(
        "`{file}` of `{set}` was never applied, but version {current} already is: \
         give it a higher number"
    )]
    OutOfOrder {
        /// The set.
        set: String,
        /// The file.
        file: String,
        /// The newest applied version.
        current: i32,
    },
    /// A file tries to end the transaction that it runs in.
    #[error(
        "`{file}` of `{set}`, line {line}: a migration runs in a transaction of its own, \
         remove `{statement}`; nothing was applied"
    )]
    TransactionControl {
        /// The set.
        set: String,
        /// The file.
        file: String,
        /// Line of the statement, from 1.
        line: usize,
        /// The beginning of the statement.
        statement: String,
    },
    /// A file failed. Nothing of it is left.
    #[error(transparent)]
    Failed(#[from] Box<Failed>),
    /// refinery refused for a reason of its own.
    #[error("cannot migrate `{set}`")]
    Refinery {
        /// The set.
        set: String,
        /// Why.
        #[source]
        source: Box<refinery_core::Error>,
    },
}
