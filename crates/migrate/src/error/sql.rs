//! What PostgreSQL says about a statement, on one line, with advice where it gives none.

use std::fmt;

use kiuas_common::Period;

/// What PostgreSQL said about a statement.
#[derive(Debug)]
pub struct SqlError {
    statement: Option<String>,
    cause: Cause,
}

#[derive(Debug)]
enum Cause {
    Postgres(tokio_postgres::Error),
    Silence(Period),
}

impl SqlError {
    pub(crate) fn new(statement: Option<String>, error: tokio_postgres::Error) -> Self {
        Self {
            statement,
            cause: Cause::Postgres(error),
        }
    }

    pub(crate) fn silence(statement: Option<String>, waited: Period) -> Self {
        Self {
            statement,
            cause: Cause::Silence(waited),
        }
    }

    /// The SQLSTATE, such as `42601` for a syntax error.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        match &self.cause {
            Cause::Postgres(error) => error.code().map(tokio_postgres::error::SqlState::code),
            Cause::Silence(_) => None,
        }
    }

    /// What would help, where PostgreSQL itself does not say it.
    fn advice(&self) -> Option<&'static str> {
        match self.code()? {
            "55P03" => Some(
                "another transaction held the table for longer than `migrate.lock_timeout`; \
                 run it again when that is over",
            ),
            "57014" => Some("it ran for longer than `migrate.statement_timeout`"),
            "25001" => Some("this statement cannot run inside a migration's transaction"),
            _ => None,
        }
    }
}

impl fmt::Display for SqlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(statement) = &self.statement {
            write!(f, "`{statement}`: ")?;
        }
        match &self.cause {
            Cause::Silence(waited) => write!(f, "PostgreSQL did not answer within {waited}")?,
            Cause::Postgres(error) => match error.as_db_error() {
                None => write!(f, "{error}")?,
                Some(error) => {
                    write!(f, "{} ({})", error.message(), error.code().code())?;
                    for (name, text) in [("detail", error.detail()), ("hint", error.hint())] {
                        if let Some(text) = text {
                            write!(f, "; {name}: {text}")?;
                        }
                    }
                }
            },
        }
        match self.advice() {
            Some(advice) => write!(f, "; {advice}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for SqlError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.cause {
            // A refusal is told in full above; what broke a connection is not.
            Cause::Postgres(error) if error.as_db_error().is_none() => error.source(),
            _ => None,
        }
    }
}
