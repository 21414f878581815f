//! What an application's state is made from.

use std::sync::Arc;

use kiuas_common::metrics::Metrics;
use kiuas_common::postgres::{Postgres, PostgresSettings};
use kiuas_common::redis::{Redis, RedisSettings};
use kiuas_common::settings::SettingsError;
use kiuas_common::{Environment, Settings, Shutdown};
use kiuas_queue::Queue;
use kiuas_web::{Cache, Live};
use serde::de::DeserializeOwned;

/// Ready-made connections and settings of a process. Cheap to clone; everything in it is shared.
#[derive(Debug, Clone)]
pub struct Resources {
    /// All settings.
    pub settings: Arc<Settings>,
    /// Where the process runs.
    pub environment: Environment,
    /// The database.
    pub postgres: Postgres,
    /// Redis's database of sessions and cache.
    pub redis: Redis,
    /// Cache of JSON values, in that database.
    pub cache: Cache,
    /// Live updates to WebSockets.
    pub live: Live,
    /// Sends tasks.
    pub queue: Queue,
    /// The process's metrics.
    pub metrics: Metrics,
    /// Tells when the process ends; spawns what the end waits for.
    pub shutdown: Shutdown,
}

impl Resources {
    /// The application's own settings, section `[app]`.
    ///
    /// # Errors
    /// A key is unknown or has a wrong value.
    pub fn app<T: DeserializeOwned>(&self) -> Result<T, SettingsError> {
        self.settings.section("app")
    }

    /// Any other section, such as `[mail]`.
    ///
    /// # Errors
    /// A key is unknown or has a wrong value.
    pub fn section<T: DeserializeOwned>(&self, name: &str) -> Result<T, SettingsError> {
        self.settings.section(name)
    }

    /// Makes the pools; connects to nothing yet. `name` is what PostgreSQL shows.
    pub(crate) fn open(
        settings: Arc<Settings>,
        name: &str,
        metrics: Metrics,
        shutdown: Shutdown,
    ) -> anyhow::Result<Self> {
        let redis_settings: RedisSettings = settings.section("redis")?;
        let redis = Redis::cache(&redis_settings)?;
        let queue = Queue::open(Redis::queue(&redis_settings)?, settings.section("queue")?)?;
        let postgres: PostgresSettings = settings.section("postgres")?;
        Ok(Self {
            environment: settings.environment(),
            postgres: Postgres::open(&postgres, name)?,
            cache: Cache::new(redis.clone()),
            live: Live::new(redis.clone()),
            redis,
            queue,
            metrics,
            shutdown,
            settings,
        })
    }

    /// Waits until PostgreSQL, Redis and the tasks' broker answer: services may start in any order.
    pub(crate) async fn wait(&self) -> anyhow::Result<()> {
        let postgres: PostgresSettings = self.section("postgres")?;
        let redis: RedisSettings = self.section("redis")?;
        tokio::try_join!(
            async { anyhow::Ok(self.postgres.wait(postgres.wait_timeout).await?) },
            async { anyhow::Ok(self.redis.wait(redis.wait_timeout).await?) },
            async { anyhow::Ok(self.queue.wait_until_reachable(redis.wait_timeout).await?) },
        )?;
        Ok(())
    }
}
