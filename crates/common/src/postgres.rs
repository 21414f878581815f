//! Connections to PostgreSQL: a pool, and statements that leave a span each.

mod settings;
mod statement;
mod tls;

use std::time::Instant;

use deadpool_postgres::{Manager, ManagerConfig, Object, RecyclingMethod, Runtime};
use tokio_postgres::{AsyncMessage, Notification};
use tokio_postgres_rustls::MakeRustlsConnect;

pub use settings::{PostgresSettings, TlsMode};
pub use statement::{Connection, Transaction};
/// Rows, types and values of statements.
pub use tokio_postgres::{Row, types};

use crate::settings::Period;

const RETRY_PAUSE: std::time::Duration = std::time::Duration::from_millis(200);
const NOTIFICATIONS: usize = 1024;

/// What can go wrong with PostgreSQL.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PostgresError {
    /// `postgres.url` is none.
    #[error("`postgres.url` is no PostgreSQL URL: write postgres://user:password@host/database")]
    Url(#[source] tokio_postgres::Error),
    /// The certificates for TLS could not be read.
    #[error("cannot use the certificates in `postgres.ca_path` = `{path}`: {problem}")]
    Certificates {
        /// The file.
        path: String,
        /// What is wrong.
        problem: String,
    },
    /// The pool could not be made.
    #[error("cannot make the PostgreSQL pool: {0}")]
    Pool(String),
    /// No connection in time, or PostgreSQL refused it.
    #[error("no connection to PostgreSQL")]
    Acquire(#[source] Box<deadpool_postgres::PoolError>),
    /// A dedicated connection failed.
    #[error("cannot connect to PostgreSQL")]
    Connect(#[source] tokio_postgres::Error),
    /// A statement failed.
    #[error("PostgreSQL refused `{statement}`{}", detail(.source))]
    Statement {
        /// The beginning of the statement.
        statement: String,
        /// Why.
        #[source]
        source: tokio_postgres::Error,
    },
    /// PostgreSQL did not answer at start.
    #[error(
        "PostgreSQL did not answer within {waited}; is it running, and is `postgres.url` right?"
    )]
    Unavailable {
        /// How long we tried.
        waited: Period,
        /// The last failure.
        #[source]
        source: Box<PostgresError>,
    },
}

fn detail(error: &tokio_postgres::Error) -> String {
    error.as_db_error().map_or_else(String::new, |error| {
        format!(": {} ({})", error.message(), error.code().code())
    })
}

impl PostgresError {
    /// The SQLSTATE of a refused statement (`23505` is a unique violation).
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Statement { source, .. } => {
                source.code().map(tokio_postgres::error::SqlState::code)
            }
            _ => None,
        }
    }

    /// The constraint that a refused statement violated.
    #[must_use]
    pub fn constraint(&self) -> Option<&str> {
        match self {
            Self::Statement { source, .. } => source.as_db_error()?.constraint(),
            _ => None,
        }
    }
}

/// A database. Clones share one pool.
#[derive(Clone)]
pub struct Postgres {
    pool: deadpool_postgres::Pool,
    configuration: tokio_postgres::Config,
    tls: MakeRustlsConnect,
}

impl std::fmt::Debug for Postgres {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Postgres")
            .field("database", &self.configuration.get_dbname())
            .finish_non_exhaustive()
    }
}

impl Postgres {
    /// Makes the pool; opens no connection yet. `application` is what `pg_stat_activity` shows.
    ///
    /// # Errors
    /// The URL is none, or the certificates for TLS cannot be read.
    pub fn open(settings: &PostgresSettings, application: &str) -> Result<Self, PostgresError> {
        let configuration = settings.configuration(application)?;
        let tls = tls::connector(settings)?;
        let manager = Manager::from_config(
            configuration.clone(),
            tls.clone(),
            ManagerConfig {
                recycling_method: RecyclingMethod::Fast,
            },
        );
        let timeout = Some(settings.acquire_timeout.duration());
        let pool = deadpool_postgres::Pool::builder(manager)
            .max_size(settings.max_connections.max(1))
            .wait_timeout(timeout)
            .create_timeout(Some(settings.connect_timeout.duration()))
            .recycle_timeout(timeout)
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|error| PostgresError::Pool(error.to_string()))?;
        Ok(Self {
            pool,
            configuration,
            tls,
        })
    }

    /// A pooled connection. Leave no session state behind (`SET`, `LISTEN`, advisory locks).
    ///
    /// # Errors
    /// None was free in time, or PostgreSQL refused a new one.
    pub async fn get(&self) -> Result<Connection, PostgresError> {
        let object: Object = self
            .pool
            .get()
            .await
            .map_err(|error| PostgresError::Acquire(Box::new(error)))?;
        Ok(Connection::new(object))
    }

    /// A connection of its own, outside the pool: for migrations and session state. The second half
    /// drives the connection and must be spawned; notifications arrive on the receiver, which is
    /// bounded, so that a slow reader holds up the connection and not the memory.
    ///
    /// # Errors
    /// PostgreSQL refused it.
    pub async fn dedicated(&self) -> Result<Dedicated, PostgresError> {
        let (client, mut connection) = self
            .configuration
            .connect(self.tls.clone())
            .await
            .map_err(PostgresError::Connect)?;
        let (sender, notifications) = tokio::sync::mpsc::channel(NOTIFICATIONS);
        #[expect(
            clippy::disallowed_methods,
            reason = "ends with the client; nothing of it needs draining"
        )]
        let driver = tokio::spawn(async move {
            loop {
                match std::future::poll_fn(|cx| connection.poll_message(cx)).await {
                    Some(Ok(AsyncMessage::Notification(notification))) => {
                        if sender.send(notification).await.is_err() {
                            // Nobody listens (any more): keep driving the connection.
                            continue;
                        }
                    }
                    Some(Ok(_)) => {}
                    Some(Err(error)) => {
                        tracing::debug!(%error, "a dedicated PostgreSQL connection ended");
                        return;
                    }
                    None => return,
                }
            }
        });
        Ok(Dedicated {
            client,
            notifications,
            driver,
        })
    }

    /// Runs `SELECT 1`.
    ///
    /// # Errors
    /// No connection, or no answer.
    pub async fn ping(&self) -> Result<(), PostgresError> {
        self.get().await?.execute("SELECT 1", &[]).await.map(drop)
    }

    /// Waits until PostgreSQL answers: services may start in any order.
    ///
    /// # Errors
    /// [`PostgresError::Unavailable`] when `patience` is over.
    pub async fn wait(&self, patience: Period) -> Result<(), PostgresError> {
        let begin = Instant::now();
        loop {
            let error = match self.ping().await {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            if begin.elapsed() >= patience.duration() {
                return Err(PostgresError::Unavailable {
                    waited: patience,
                    source: Box::new(error),
                });
            }
            tracing::debug!(%error, "waiting for PostgreSQL");
            tokio::time::sleep(RETRY_PAUSE).await;
        }
    }
}

/// A connection outside the pool. It closes when this is dropped.
#[derive(Debug)]
pub struct Dedicated {
    /// For statements and session state.
    pub client: tokio_postgres::Client,
    /// What `NOTIFY` sends, after a `LISTEN` on the client. Ends when the connection does.
    pub notifications: tokio::sync::mpsc::Receiver<Notification>,
    driver: tokio::task::JoinHandle<()>,
}

impl Drop for Dedicated {
    fn drop(&mut self) {
        self.driver.abort();
    }
}
