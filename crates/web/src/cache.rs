//! A cache of JSON values in Redis, shared by all processes of an application.
//!
//! Every entry has a lifetime. A purge wins over a fill that began before it: each key has a version
//! that a purge raises, and a fill stores its value only if the version is still the one it began with.
//! In one process only one fill a key runs at a time; the others wait for its value.

mod flight;

use std::time::Duration;

use kiuas_common::redis::{Redis, RedisError};
use redis::AsyncCommands;
use serde::Serialize;
use serde::de::DeserializeOwned;

use flight::Flights;

const VALUES: &str = "cache:";
const VERSIONS: &str = "cache-version:";
/// Outlives every fill; after it, a version that is gone reads as 0, which no running fill began with
/// unless nothing was purged.
const VERSION_LIFETIME: i64 = 3600;
const LONGEST_KEY: usize = 256;
const LARGEST_VALUE: usize = 1 << 20;

/// Stores ARGV[2] for ARGV[3] milliseconds unless the version has changed since ARGV[1].
const STORE: &str = "
if (redis.call('GET', KEYS[2]) or '0') ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1";

/// What can go wrong with the cache.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CacheError {
    /// No connection.
    #[error("cannot reach the cache")]
    Connect(#[from] RedisError),
    /// Redis refused a command.
    #[error("cannot use the cache")]
    Command(#[from] redis::RedisError),
    /// The key is longer than 256 bytes.
    #[error("the cache key `{beginning}…` is too long: at most {LONGEST_KEY} bytes")]
    Key {
        /// Its first characters.
        beginning: String,
    },
    /// The value takes more than 1 MiB as JSON.
    #[error(
        "the value for `{key}` takes {length} bytes in the cache, at most {LARGEST_VALUE} are allowed"
    )]
    TooLarge {
        /// The key.
        key: String,
        /// Its length.
        length: usize,
    },
    /// The value is no JSON, or not of this type.
    #[error("the value for `{key}` in the cache has another form")]
    Form {
        /// The key.
        key: String,
        /// What is wrong.
        #[source]
        source: serde_json::Error,
    },
}

/// The cache. Clones share one.
#[derive(Debug, Clone)]
pub struct Cache {
    redis: Redis,
    flights: Flights,
}

/// The version of a key when a fill began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version(String);

impl Cache {
    /// A cache in `redis`.
    #[must_use]
    pub fn new(redis: Redis) -> Self {
        Self {
            redis,
            flights: Flights::default(),
        }
    }

    /// The value of `key`, if it is there.
    ///
    /// # Errors
    /// Redis does not answer, or the value is no `T`.
    pub async fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, CacheError> {
        Ok(self.look_up(key).await?.0)
    }

    /// Stores `value` for `lifetime`, whatever was purged meanwhile.
    ///
    /// # Errors
    /// Redis does not answer, or key or value is too large.
    pub async fn set<T: Serialize>(
        &self,
        key: &str,
        value: &T,
        lifetime: Duration,
    ) -> Result<(), CacheError> {
        let text = encode(key, value)?;
        let mut connection = self.redis.get().await?;
        connection
            .pset_ex::<_, _, ()>(value_key(key)?, text, milliseconds(lifetime))
            .await?;
        Ok(())
    }

    /// Forgets `key`, also what fills that run now are about to store.
    ///
    /// # Errors
    /// Redis does not answer.
    pub async fn purge(&self, key: &str) -> Result<(), CacheError> {
        let (value, version) = (value_key(key)?, version_key(key));
        let mut connection = self.redis.get().await?;
        redis::pipe()
            .atomic()
            .incr(&version, 1)
            .ignore()
            .expire(&version, VERSION_LIFETIME)
            .ignore()
            .del(&value)
            .ignore()
            .query_async::<()>(&mut connection)
            .await?;
        Ok(())
    }

    /// The value of `key`; if it is not there, what `fill` returns, which is then stored for
    /// `lifetime`. A cache that does not answer is logged and passed by: `fill` runs then.
    ///
    /// # Errors
    /// What `fill` returns.
    pub async fn get_or_fill<T, E>(
        &self,
        key: &str,
        lifetime: Duration,
        fill: impl AsyncFnOnce() -> Result<T, E>,
    ) -> Result<T, E>
    where
        T: Serialize + DeserializeOwned,
    {
        let _turn = match self.try_look_up(key).await {
            Some((Some(value), _)) => return Ok(value),
            _ => self.flights.turn(key).await,
        };
        // Whoever had the turn before has probably filled it.
        let version = match self.try_look_up(key).await {
            Some((Some(value), _)) => return Ok(value),
            Some((None, version)) => Some(version),
            None => None,
        };
        let value = fill().await?;
        if let Some(version) = version
            && let Err(error) = self.store(key, &value, lifetime, &version).await
        {
            tracing::warn!(%error, "the cache did not take a value");
        }
        Ok(value)
    }

    async fn try_look_up<T: DeserializeOwned>(&self, key: &str) -> Option<(Option<T>, Version)> {
        match self.look_up(key).await {
            Ok(found) => Some(found),
            Err(error) => {
                tracing::warn!(%error, "going on without the cache");
                None
            }
        }
    }

    async fn look_up<T: DeserializeOwned>(
        &self,
        key: &str,
    ) -> Result<(Option<T>, Version), CacheError> {
        let names = [value_key(key)?, version_key(key)];
        let mut connection = self.redis.get().await?;
        let (text, version): (Option<Vec<u8>>, Option<String>) = connection.mget(&names).await?;
        let value = text
            .map(|text| serde_json::from_slice(&text))
            .transpose()
            .map_err(|source| CacheError::Form {
                key: key.to_owned(),
                source,
            })?;
        Ok((value, Version(version.unwrap_or_else(|| "0".to_owned()))))
    }

    async fn store<T: Serialize>(
        &self,
        key: &str,
        value: &T,
        lifetime: Duration,
        version: &Version,
    ) -> Result<(), CacheError> {
        let text = encode(key, value)?;
        let mut connection = self.redis.get().await?;
        redis::Script::new(STORE)
            .key(value_key(key)?)
            .key(version_key(key))
            .arg(&version.0)
            .arg(text)
            .arg(milliseconds(lifetime))
            .invoke_async::<i32>(&mut connection)
            .await?;
        Ok(())
    }
}

fn value_key(key: &str) -> Result<String, CacheError> {
    if key.len() > LONGEST_KEY {
        return Err(CacheError::Key {
            beginning: key.chars().take(40).collect(),
        });
    }
    Ok(format!("{VALUES}{key}"))
}

fn version_key(key: &str) -> String {
    format!("{VERSIONS}{key}")
}

fn milliseconds(lifetime: Duration) -> u64 {
    u64::try_from(lifetime.as_millis())
        .unwrap_or(u64::MAX)
        .max(1)
}

fn encode<T: Serialize>(key: &str, value: &T) -> Result<Vec<u8>, CacheError> {
    let text = serde_json::to_vec(value).map_err(|source| CacheError::Form {
        key: key.to_owned(),
        source,
    })?;
    if text.len() > LARGEST_VALUE {
        return Err(CacheError::TooLarge {
            key: key.to_owned(),
            length: text.len(),
        });
    }
    Ok(text)
}
