//! Results: counted in SQL, cached in Redis, pushed to whoever watches.

pub(crate) mod handlers;
pub(crate) mod store;
pub(crate) mod tasks;

use std::collections::BTreeMap;
use std::time::Duration;

use kiuas::web::WebError;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::state::State;

/// A purge follows every vote; this bounds what a purge that was lost with Redis can do.
const LIFETIME: Duration = Duration::from_secs(60);

/// The counts of one poll, as the cache keeps them and WebSockets get them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Results {
    pub(crate) counts: BTreeMap<Uuid, i64>,
    pub(crate) total: i64,
    pub(crate) closed: bool,
}

impl Results {
    /// The votes for `choice`.
    pub(crate) fn count(&self, choice: &Uuid) -> i64 {
        self.counts.get(choice).copied().unwrap_or_default()
    }

    /// What a full bar stands for.
    pub(crate) fn scale(&self) -> i64 {
        self.total.max(1)
    }
}

/// The current results of a poll, from the cache if it has them. 404 if there is no such poll.
pub(crate) async fn current(state: &State, poll: Uuid) -> Result<Results, WebError> {
    let count = async || {
        let connection = state.postgres.get().await?;
        store::count(&connection, poll)
            .await?
            .ok_or_else(WebError::not_found)
    };
    state
        .cache
        .get_or_fill(&cache_key(poll), LIFETIME, count)
        .await
}

/// Makes the next reader count again. A cache that does not answer is no reason to refuse what has
/// been committed already: the task that follows purges again.
pub(crate) async fn purge(state: &State, poll: Uuid) {
    if let Err(error) = state.cache.purge(&cache_key(poll)).await {
        tracing::warn!(%error, poll.id = %poll, "could not purge the results of poll {poll}");
    }
}

pub(crate) fn cache_key(poll: Uuid) -> String {
    format!("results:{poll}")
}

/// The channel that a poll's page listens to.
pub(crate) fn channel(poll: Uuid) -> String {
    format!("poll:{poll}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_json_is_what_pages_read() {
        let id = Uuid::nil();
        let results = Results {
            counts: BTreeMap::from([(id, 3)]),
            total: 3,
            closed: false,
        };
        let text = serde_json::to_string(&results).expect("JSON");
        assert_eq!(
            text,
            format!(r#"{{"counts":{{"{id}":3}},"total":3,"closed":false}}"#)
        );
    }
}
