//! Statements that leave a span each, so that a trace shows what the database did.
//!
//! Span names and fields follow OpenTelemetry's conventions for database clients: the statement's
//! text, never its parameters.

use deadpool_postgres::Object;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use tracing::{Instrument, Span, field};

use super::PostgresError;

const LONGEST_TEXT: usize = 512;

/// A pooled connection.
#[derive(Debug)]
pub struct Connection {
    object: Object,
}

/// A transaction. Dropping it without [`Transaction::commit`] rolls it back.
#[derive(Debug)]
pub struct Transaction<'a> {
    transaction: deadpool_postgres::Transaction<'a>,
}

type Parameters<'a> = &'a [&'a (dyn ToSql + Sync)];

/// The beginning of `text`, on one line.
fn shorten(text: &str) -> String {
    text.split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .chars()
        .take(LONGEST_TEXT)
        .collect()
}

fn span(text: &str) -> Span {
    let text = shorten(text);
    let operation = text
        .split(' ')
        .next()
        .unwrap_or_default()
        .to_ascii_uppercase();
    tracing::info_span!(
        "postgres",
        otel.name = %operation,
        otel.kind = "client",
        otel.status_code = field::Empty,
        db.system.name = "postgresql",
        db.operation.name = %operation,
        db.query.text = %text,
    )
}

async fn traced<T>(
    text: &str,
    run: impl Future<Output = Result<T, tokio_postgres::Error>>,
) -> Result<T, PostgresError> {
    let span = span(text);
    let outcome = run.instrument(span.clone()).await;
    outcome.map_err(|source| {
        span.record("otel.status_code", "error");
        PostgresError::Statement {
            statement: shorten(text),
            source,
        }
    })
}

/// Statements on a connection or in a transaction; `$1`, `$2` … stand for the parameters. Each method
/// returns [`PostgresError::Statement`] when PostgreSQL refuses, or when the number of rows is wrong.
macro_rules! statements {
    ($field:ident) => {
        /// All rows.
        ///
        /// # Errors
        /// PostgreSQL refused the statement.
        pub async fn query(
            &self,
            text: &str,
            parameters: Parameters<'_>,
        ) -> Result<Vec<Row>, PostgresError> {
            traced(text, async {
                let statement = self.$field.prepare_cached(text).await?;
                self.$field.query(&statement, parameters).await
            })
            .await
        }

        /// Exactly one row.
        ///
        /// # Errors
        /// PostgreSQL refused the statement, or there was not exactly one row.
        pub async fn query_one(
            &self,
            text: &str,
            parameters: Parameters<'_>,
        ) -> Result<Row, PostgresError> {
            traced(text, async {
                let statement = self.$field.prepare_cached(text).await?;
                self.$field.query_one(&statement, parameters).await
            })
            .await
        }

        /// One row or none.
        ///
        /// # Errors
        /// PostgreSQL refused the statement, or there was more than one row.
        pub async fn query_opt(
            &self,
            text: &str,
            parameters: Parameters<'_>,
        ) -> Result<Option<Row>, PostgresError> {
            traced(text, async {
                let statement = self.$field.prepare_cached(text).await?;
                self.$field.query_opt(&statement, parameters).await
            })
            .await
        }

        /// The number of rows that it changed.
        ///
        /// # Errors
        /// PostgreSQL refused the statement.
        pub async fn execute(
            &self,
            text: &str,
            parameters: Parameters<'_>,
        ) -> Result<u64, PostgresError> {
            traced(text, async {
                let statement = self.$field.prepare_cached(text).await?;
                self.$field.execute(&statement, parameters).await
            })
            .await
        }

        /// Several statements without parameters, separated by semicolons.
        ///
        /// # Errors
        /// PostgreSQL refused one; those before it have run, unless in a transaction.
        pub async fn batch_execute(&self, text: &str) -> Result<(), PostgresError> {
            traced(text, self.$field.batch_execute(text)).await
        }
    };
}

impl Connection {
    pub(super) fn new(object: Object) -> Self {
        Self { object }
    }

    statements!(object);

    /// Begins a transaction.
    ///
    /// # Errors
    /// PostgreSQL refused it.
    pub async fn transaction(&mut self) -> Result<Transaction<'_>, PostgresError> {
        let transaction = traced("BEGIN", self.object.transaction()).await?;
        Ok(Transaction { transaction })
    }
}

impl Transaction<'_> {
    statements!(transaction);

    /// Makes it durable.
    ///
    /// # Errors
    /// PostgreSQL could not commit; nothing of it has happened, unless the connection broke in between.
    pub async fn commit(self) -> Result<(), PostgresError> {
        traced("COMMIT", self.transaction.commit()).await
    }

    /// Gives it up. Dropping it does the same, later.
    ///
    /// # Errors
    /// The connection broke.
    pub async fn rollback(self) -> Result<(), PostgresError> {
        traced("ROLLBACK", self.transaction.rollback()).await
    }
}
