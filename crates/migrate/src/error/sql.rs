//! What PostgreSQL says about a statement, on one line, with advice where it gives none.

use std::fmt;

use kiuas_common::Period;
use kiuas_common::postgres::PostgresError;

use crate::statement::excerpt;

/// What PostgreSQL said about a statement.
#[derive(Debug)]
pub struct SqlError(Box<Inner>);

#[derive(Debug)]
struct Inner {
    statement: Option<String>,
    cause: Cause,
    /// Who held what the statement waited for.
    blocker: Option<String>,
    /// How often it was tried, over so many seconds.
    tries: Option<(u32, u64)>,
}

#[derive(Debug)]
enum Cause {
    Postgres(tokio_postgres::Error),
    Silence(Period),
    Altered(usize),
    Busy(String, Period),
    Connection(Box<PostgresError>),
}

impl SqlError {
    pub(crate) fn new(statement: Option<&str>, error: tokio_postgres::Error) -> Self {
        Self::because(statement, Cause::Postgres(error))
    }

    pub(crate) fn silence(statement: Option<&str>, waited: Period) -> Self {
        Self::because(statement, Cause::Silence(waited))
    }

    /// A half-applied file whose first `done` statements are others now.
    pub(crate) fn altered(done: usize) -> Self {
        Self::because(None, Cause::Altered(done))
    }

    /// An index that somebody is building.
    pub(crate) fn busy(index: &str, waited: Period) -> Self {
        Self::because(None, Cause::Busy(index.to_owned(), waited))
    }

    /// No connection.
    pub(crate) fn connection(error: PostgresError) -> Self {
        Self::because(None, Cause::Connection(Box::new(error)))
    }

    fn because(statement: Option<&str>, cause: Cause) -> Self {
        Self(Box::new(Inner {
            statement: statement.map(excerpt),
            cause,
            blocker: None,
            tries: None,
        }))
    }

    /// With whom the statement waited for.
    pub(crate) fn behind(mut self, blocker: Option<String>) -> Self {
        self.0.blocker = blocker;
        self
    }

    /// With how often it was tried.
    pub(crate) fn after(mut self, tries: u32, seconds: u64) -> Self {
        self.0.tries = Some((tries, seconds));
        self
    }

    /// The SQLSTATE, such as `42601` for a syntax error.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        match &self.0.cause {
            Cause::Postgres(error) => error.code().map(tokio_postgres::error::SqlState::code),
            _ => None,
        }
    }

    /// True if somebody else's lock was in the way: a later try may succeed.
    #[must_use]
    pub fn is_about_locks(&self) -> bool {
        // Lock not available, deadlock.
        matches!(self.code(), Some("55P03" | "40P01"))
    }

    /// What would help, where PostgreSQL itself does not say it.
    fn advice(&self) -> Option<&'static str> {
        match self.code()? {
            "55P03" => Some(
                "another transaction held the table for longer than `migrate.lock_timeout`; \
                 run it again when that is over",
            ),
            "57014" => Some(
                "it ran for longer than `migrate.statement_timeout`; a file may ask for more with \
                 `-- migrate: statement-timeout TIME`",
            ),
            "25001" => Some(
                "this statement cannot run inside a migration's transaction: move it into a file with \
                 `-- migrate: no-transaction`",
            ),
            "42501" => Some("the role of `postgres.url` needs that right"),
            _ => None,
        }
    }
}

impl fmt::Display for SqlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(statement) = &self.0.statement {
            write!(f, "`{statement}`: ")?;
        }
        match &self.0.cause {
            Cause::Silence(waited) => write!(f, "PostgreSQL did not answer within {waited}")?,
            Cause::Altered(done) => write!(
                f,
                "its first {done} statements were applied by a run that did not finish, and are others now: \
                 restore them, or begin anew with `migrate repair --restart`"
            )?,
            Cause::Busy(index, waited) => write!(
                f,
                "somebody has been building the index {index} for longer than `migrate.lock_wait` = {waited}"
            )?,
            Cause::Postgres(error) => postgres(f, error)?,
            Cause::Connection(error) => write!(f, "{error}")?,
        }
        if let Some((tries, seconds)) = self.0.tries {
            write!(f, "; tried {tries} times in {seconds} s")?;
        }
        if let Some(blocker) = &self.0.blocker {
            write!(f, "; it waited for {blocker}")?;
        }
        match self.advice() {
            Some(advice) => write!(f, "; {advice}"),
            None => Ok(()),
        }
    }
}

fn postgres(f: &mut fmt::Formatter<'_>, error: &tokio_postgres::Error) -> fmt::Result {
    let Some(error) = error.as_db_error() else {
        return write!(f, "{error}");
    };
    write!(f, "{} ({})", error.message(), error.code().code())?;
    for (name, text) in [("detail", error.detail()), ("hint", error.hint())] {
        if let Some(text) = text {
            write!(f, "; {name}: {text}")?;
        }
    }
    Ok(())
}

impl std::error::Error for SqlError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.0.cause {
            // A refusal is told in full above; what broke a connection is not.
            Cause::Postgres(error) if error.as_db_error().is_none() => error.source(),
            Cause::Connection(error) => error.source(),
            _ => None,
        }
    }
}
