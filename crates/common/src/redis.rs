//! Connections to Redis: one pool a database, and dedicated ones for what blocks or subscribes.
//!
//! Database 1 holds sessions and cache, database 3 the task queue (tests: 14 and 15). Pooled
//! connections answer within `redis.response_timeout`; a dedicated connection waits as long as its
//! user wants, because the client's default of 500 ms would break every blocking command.

use std::time::{Duration, Instant};

use deadpool_redis::{Hook, HookError, PoolConfig, Runtime, Timeouts};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, IntoConnectionInfo, TlsCertificates};
use serde::{Deserialize, Serialize};

use crate::settings::Period;

/// A pooled connection; dereferences to `redis::aio::MultiplexedConnection`.
pub type Connection = deadpool_redis::Connection;

const RETRY_PAUSE: Duration = Duration::from_millis(200);

/// Section `[redis]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RedisSettings {
    /// `redis://[user:password@]host:port`, `rediss://…` for TLS, or `redis+unix:///path/to.sock`,
    /// without a database number.
    pub url: String,
    /// PEM file of the certificate authorities for `rediss://`; empty: the system's.
    pub ca_path: String,
    /// Database of sessions and cache.
    pub cache_db: u16,
    /// Database of the task queue.
    pub queue_db: u16,
    /// Pooled connections a process and database.
    pub max_connections: usize,
    /// Longest wait for a free or new connection.
    pub acquire_timeout: Period,
    /// Longest wait for an answer on a pooled connection.
    pub response_timeout: Period,
    /// Longest wait at start for Redis to answer.
    pub wait_timeout: Period,
}

impl Default for RedisSettings {
    fn default() -> Self {
        Self {
            url: "redis://127.0.0.1:6379".to_owned(),
            ca_path: String::new(),
            cache_db: 1,
            queue_db: 3,
            max_connections: 16,
            acquire_timeout: Period::seconds(3),
            response_timeout: Period::seconds(3),
            wait_timeout: Period::seconds(30),
        }
    }
}

/// What can go wrong with Redis.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RedisError {
    /// `redis.url` is no Redis URL.
    #[error(
        "`redis.url` is no Redis URL: write redis://host:port, rediss://host:port or redis+unix:///path"
    )]
    Url(#[source] redis::RedisError),
    /// The certificates for TLS could not be read.
    #[error("cannot use the certificates in `redis.ca_path` = `{path}`")]
    Certificates {
        /// The file.
        path: String,
        /// What is wrong with it.
        #[source]
        source: std::io::Error,
    },
    /// The pool could not be made.
    #[error("cannot make the Redis pool: {0}")]
    Pool(String),
    /// No connection in time, or Redis refused it.
    #[error("no connection to Redis database {database}")]
    Acquire {
        /// Database number.
        database: u16,
        /// Why not.
        #[source]
        source: Box<deadpool_redis::PoolError>,
    },
    /// A dedicated connection failed.
    #[error("cannot connect to Redis database {database}")]
    Connect {
        /// Database number.
        database: u16,
        /// Why not.
        #[source]
        source: redis::RedisError,
    },
    /// Redis did not answer at start.
    #[error(
        "Redis database {database} did not answer within {waited}; is it running, and is `redis.url` right?"
    )]
    Unavailable {
        /// Database number.
        database: u16,
        /// How long we tried.
        waited: Period,
        /// The last failure.
        #[source]
        source: Box<RedisError>,
    },
}

/// One database of a Redis server. Clones share one pool.
#[derive(Clone)]
pub struct Redis {
    pool: deadpool_redis::Pool,
    client: Client,
    database: u16,
}

impl std::fmt::Debug for Redis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Redis")
            .field("database", &self.database)
            .finish_non_exhaustive()
    }
}

impl Redis {
    /// The database of sessions and cache. Opens no connection yet.
    ///
    /// # Errors
    /// The URL is none.
    pub fn cache(settings: &RedisSettings) -> Result<Self, RedisError> {
        Self::open(settings, settings.cache_db)
    }

    /// The database of the task queue. Opens no connection yet.
    ///
    /// # Errors
    /// The URL is none.
    pub fn queue(settings: &RedisSettings) -> Result<Self, RedisError> {
        Self::open(settings, settings.queue_db)
    }

    fn open(settings: &RedisSettings, database: u16) -> Result<Self, RedisError> {
        let client = client(settings, database)?;
        let configuration = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(settings.acquire_timeout.duration()))
            .set_response_timeout(Some(settings.response_timeout.duration()));
        let manager = deadpool_redis::Manager::new_with_config(
            client.get_connection_info().clone(),
            configuration,
        )
        .map_err(RedisError::Url)?;
        let timeout = Some(settings.acquire_timeout.duration());
        let pool = deadpool_redis::Pool::builder(manager)
            .config(PoolConfig {
                max_size: settings.max_connections.max(1),
                timeouts: Timeouts {
                    wait: timeout,
                    create: timeout,
                    recycle: timeout,
                },
                ..PoolConfig::default()
            })
            .runtime(Runtime::Tokio1)
            .post_create(name_connection())
            .build()
            .map_err(|error| RedisError::Pool(error.to_string()))?;
        Ok(Self {
            pool,
            client,
            database,
        })
    }

    /// The database's number.
    #[must_use]
    pub fn database(&self) -> u16 {
        self.database
    }

    /// A pooled connection for short commands. Never block or subscribe on it.
    ///
    /// # Errors
    /// None was free in time, or Redis refused a new one.
    pub async fn get(&self) -> Result<Connection, RedisError> {
        self.pool.get().await.map_err(|source| RedisError::Acquire {
            database: self.database,
            source: Box::new(source),
        })
    }

    /// A connection of its own, without a response time limit, for commands that block.
    ///
    /// # Errors
    /// Redis refused it.
    pub async fn dedicated(&self) -> Result<MultiplexedConnection, RedisError> {
        let configuration = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(Duration::from_secs(3)))
            .set_response_timeout(None);
        self.client
            .get_multiplexed_async_connection_with_config(&configuration)
            .await
            .map_err(|source| RedisError::Connect {
                database: self.database,
                source,
            })
    }

    /// The client, for subscriptions and for connections with a configuration of their own.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Asks for a PONG.
    ///
    /// # Errors
    /// No connection, or no answer.
    pub async fn ping(&self) -> Result<(), RedisError> {
        let mut connection = self.get().await?;
        redis::cmd("PING")
            .query_async::<()>(&mut connection)
            .await
            .map_err(|source| RedisError::Connect {
                database: self.database,
                source,
            })
    }

    /// Waits until Redis answers: services may start in any order.
    ///
    /// # Errors
    /// [`RedisError::Unavailable`] when `patience` is over.
    pub async fn wait(&self, patience: Period) -> Result<(), RedisError> {
        let begin = Instant::now();
        loop {
            let error = match self.ping().await {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            if begin.elapsed() >= patience.duration() {
                return Err(RedisError::Unavailable {
                    database: self.database,
                    waited: patience,
                    source: Box::new(error),
                });
            }
            tracing::debug!(%error, "waiting for Redis");
            tokio::time::sleep(RETRY_PAUSE).await;
        }
    }
}

fn client(settings: &RedisSettings, database: u16) -> Result<Client, RedisError> {
    let info = settings
        .url
        .as_str()
        .into_connection_info()
        .map_err(RedisError::Url)?;
    let of_database = info.redis_settings().clone().set_db(database.into());
    let info = info.set_redis_settings(of_database);
    if settings.ca_path.is_empty() {
        return Client::open(info).map_err(RedisError::Url);
    }
    let authorities =
        std::fs::read(&settings.ca_path).map_err(|source| RedisError::Certificates {
            path: settings.ca_path.clone(),
            source,
        })?;
    let certificates = TlsCertificates {
        client_tls: None,
        root_cert: Some(authorities),
    };
    Client::build_with_tls(info, certificates).map_err(RedisError::Url)
}

/// Names each new connection after its process, so that `CLIENT LIST` tells who is who.
fn name_connection() -> Hook {
    let program = std::env::args_os().next().unwrap_or_default();
    let program = std::path::Path::new(&program)
        .file_name()
        .map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    // Redis allows no spaces and no control characters in a name.
    let program: String = program.chars().filter(char::is_ascii_graphic).collect();
    let name = format!("{program}-{}", std::process::id());
    Hook::async_fn(move |connection, _| {
        let name = name.clone();
        Box::pin(async move {
            redis::cmd("CLIENT")
                .arg("SETNAME")
                .arg(name)
                .query_async::<()>(connection)
                .await
                .map_err(HookError::Backend)
        })
    })
}

#[cfg(test)]
mod tests;
