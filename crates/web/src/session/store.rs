//! Sessions in Redis, behind actix-session's trait.
//!
//! The store that comes with actix-session pins an older Redis client and offers no bound on the
//! size of a session.

use std::collections::HashMap;

use actix_session::storage::{
    LoadError, SaveError, SessionKey, SessionStore, UpdateError, generate_session_key,
};
use actix_web::cookie::time::Duration;
use kiuas_common::redis::Redis;
use redis::AsyncCommands;

type State = HashMap<String, String>;

const PREFIX: &str = "session:";
/// A session says who somebody is; data belongs into the database.
const LARGEST: usize = 16 * 1024;

/// Sessions in a Redis database.
#[derive(Debug, Clone)]
pub struct Store {
    redis: Redis,
}

impl Store {
    pub(crate) fn new(redis: Redis) -> Self {
        Self { redis }
    }

    async fn write(
        &self,
        key: &SessionKey,
        state: &State,
        lifetime: &Duration,
    ) -> anyhow::Result<()> {
        let text = serde_json::to_string(state)?;
        anyhow::ensure!(
            text.len() <= LARGEST,
            "the session would take {} bytes, more than the {LARGEST} that are allowed",
            text.len()
        );
        let mut connection = self.redis.get().await?;
        connection
            .set_ex::<_, _, ()>(name(key), text, seconds(lifetime))
            .await?;
        Ok(())
    }

    async fn read(&self, key: &SessionKey) -> anyhow::Result<Option<String>> {
        let mut connection = self.redis.get().await?;
        Ok(connection.get(name(key)).await?)
    }
}

fn name(key: &SessionKey) -> String {
    format!("{PREFIX}{}", key.as_ref())
}

fn seconds(lifetime: &Duration) -> u64 {
    u64::try_from(lifetime.whole_seconds()).unwrap_or(0).max(1)
}

impl SessionStore for Store {
    async fn load(&self, key: &SessionKey) -> Result<Option<State>, LoadError> {
        let text = self.read(key).await.map_err(LoadError::Other)?;
        text.map(|text| serde_json::from_str(&text))
            .transpose()
            .map_err(|error| LoadError::Deserialization(error.into()))
    }

    async fn save(&self, state: State, lifetime: &Duration) -> Result<SessionKey, SaveError> {
        let key = generate_session_key();
        self.write(&key, &state, lifetime)
            .await
            .map_err(SaveError::Other)?;
        Ok(key)
    }

    async fn update(
        &self,
        key: SessionKey,
        state: State,
        lifetime: &Duration,
    ) -> Result<SessionKey, UpdateError> {
        self.write(&key, &state, lifetime)
            .await
            .map_err(UpdateError::Other)?;
        Ok(key)
    }

    async fn update_ttl(&self, key: &SessionKey, lifetime: &Duration) -> anyhow::Result<()> {
        let mut connection = self.redis.get().await?;
        let lifetime = i64::try_from(seconds(lifetime)).unwrap_or(i64::MAX);
        connection
            .expire::<_, ()>(name(key), lifetime)
            .await
            .map_err(Into::into)
    }

    async fn delete(&self, key: &SessionKey) -> anyhow::Result<()> {
        let mut connection = self.redis.get().await?;
        connection.del::<_, ()>(name(key)).await.map_err(Into::into)
    }
}
