//! What can go wrong with migrations, in words that say what to do.

mod failed;
mod refused;
mod sql;

use std::path::PathBuf;

use kiuas_common::Period;
use kiuas_common::postgres::PostgresError;

pub use failed::Failed;
pub use refused::Refused;
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
        "`{file}` of `{set}`, line {line}: a migration's transactions are the runner's, \
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
    /// A directive that the runner does not understand.
    #[error("`{file}` of `{set}`, line {line}: {problem}")]
    Directive {
        /// The set.
        set: String,
        /// The file.
        file: String,
        /// Its line, from 1.
        line: usize,
        /// What is wrong.
        problem: String,
    },
    /// A contract file may not overtake the expand files that replace what it removes.
    #[error(
        "`{file}` of `{set}` is an expand file with a lower number and not applied yet: run `migrate up` \
         first"
    )]
    ExpandFirst {
        /// The set.
        set: String,
        /// The expand file.
        file: String,
    },
    /// Statements that would hurt the running site.
    #[error("refused, nothing was applied:{}", refused::block(.0))]
    Refused(Vec<Refused>),
    /// The same, of a plan that has just been printed.
    #[error("the plan refuses {0} statements")]
    Planned(usize),
    /// The dump before contract files failed.
    #[error(
        "cannot dump the database before the contract files to `{path}`: {problem}; nothing was applied"
    )]
    Dump {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        problem: String,
    },
    /// The name of a new file is none.
    #[error(
        "`{name}` is no name for a migration: write letters, digits and `_`, such as add_closing_time"
    )]
    NewName {
        /// The name.
        name: String,
    },
    /// A file could not be written.
    #[error("cannot write `{path}`")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// There is no such set.
    #[error("there is no set `{name}`: there are {known}")]
    UnknownSet {
        /// The name.
        name: String,
        /// The sets.
        known: String,
    },
    /// There is no such file or version.
    #[error("there is no {what} in the set `{set}`")]
    Unknown {
        /// The set.
        set: String,
        /// What was asked for.
        what: String,
    },
    /// A baseline is for a database that has no history.
    #[error(
        "`{set}` has a history already, up to version {current}: a baseline is for a database that was made \
         without it"
    )]
    NoBaseline {
        /// The set.
        set: String,
        /// Its newest version.
        current: i32,
    },
    /// A repair that does not fit what is wrong.
    #[error("cannot {action} `{file}` of `{set}`: it is {state}")]
    NoRepair {
        /// What was asked.
        action: &'static str,
        /// The set.
        set: String,
        /// The file.
        file: String,
        /// Its state.
        state: String,
    },
    /// The database for the comparison could not be made.
    #[error(
        "cannot make the database `{name}` to compare with: the role of `postgres.url` needs CREATEDB; name \
         another server with `--shadow-url`, or compare the history alone with `--quick`"
    )]
    Shadow {
        /// Its name.
        name: String,
        /// Why not.
        #[source]
        source: SqlError,
    },
}

impl MigrateError {
    /// The exit code of a command that ends with this error, as docs/migrations.md lists them.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Changed { .. } | Self::Missing { .. } | Self::OutOfOrder { .. } => exit::DIFFERS,
            Self::Refused(_) | Self::Planned(_) => exit::REFUSED,
            Self::Locked { .. } => exit::TRY_LATER,
            Self::Failed(failed) if failed.source.is_about_locks() => exit::TRY_LATER,
            Self::Name { .. }
            | Self::Repeated { .. }
            | Self::HistoryName { .. }
            | Self::SharedHistory { .. }
            | Self::Directive { .. }
            | Self::TransactionControl { .. }
            | Self::Unlisted { .. }
            | Self::NewName { .. }
            | Self::UnknownSet { .. }
            | Self::Unknown { .. }
            | Self::NoBaseline { .. }
            | Self::NoRepair { .. } => kiuas_common::exit::USAGE,
            _ => kiuas_common::exit::FAILED,
        }
    }
}

/// Exit codes of `migrate` beyond those that every command has.
pub mod exit {
    /// The database differs from what the files say.
    pub const DIFFERS: u8 = 10;
    /// The plan refuses a statement.
    pub const REFUSED: u8 = 11;
    /// Another runner, or another transaction's lock, was in the way for too long: `EX_TEMPFAIL` of
    /// sysexits(3).
    pub const TRY_LATER: u8 = 75;
}
