//! Moves messages from the outbox to the broker.

use std::sync::Arc;
use std::time::Duration;

use kiuas_common::Shutdown;
use kiuas_common::postgres::{Dedicated, Postgres, PostgresError};
use serde::Deserialize;

use super::CHANNEL;
use crate::error::QueueError;
use crate::message::{Outgoing, TaskId};
use crate::queue::Queue;

/// Most messages in one transaction of the relay.
const BATCH: i64 = 256;
/// How often to look without being woken: a notification is lost with the connection it came on.
const FALLBACK: Duration = Duration::from_secs(5);
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

type Count = dyn Fn(u64) + Send + Sync;

/// Moves committed messages to the broker. Any number of relays may run at once.
#[derive(Clone)]
pub struct Relay {
    postgres: Postgres,
    queue: Queue,
    count: Arc<Count>,
}

impl std::fmt::Debug for Relay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Relay")
            .field("postgres", &self.postgres)
            .field("queue", &self.queue)
            .finish_non_exhaustive()
    }
}

/// The only thing that the relay reads in a message.
#[derive(Deserialize)]
struct Priority {
    #[serde(default)]
    properties: Properties,
}

#[derive(Deserialize, Default)]
struct Properties {
    #[serde(default)]
    priority: Option<u8>,
}

impl Relay {
    /// A relay from the outbox in `postgres` to `queue`.
    #[must_use]
    pub fn new(postgres: Postgres, queue: Queue) -> Self {
        Self {
            postgres,
            queue,
            count: Arc::new(drop),
        }
    }

    /// Tells `count` how many messages each transaction has moved.
    #[must_use]
    pub fn counting(mut self, count: impl Fn(u64) + Send + Sync + 'static) -> Self {
        self.count = Arc::new(count);
        self
    }

    /// Relays until the drain begins, and finishes the batch that it is at. Trouble with PostgreSQL or
    /// Redis is logged and tried again, for ever: nothing is lost meanwhile.
    pub async fn run(&self, shutdown: Shutdown) {
        let mut pause = FIRST_PAUSE;
        while let Err(error) = self.listen(&mut pause, &shutdown).await {
            tracing::warn!(
                error = %error.with_causes(),
                pause_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX),
                "the outbox relay pauses"
            );
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = shutdown.draining() => return,
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Relays what comes, until the drain begins or something fails. Only waiting is cut short by the
    /// drain: a batch that is dropped between its push and its commit would be sent a second time.
    async fn listen(&self, pause: &mut Duration, shutdown: &Shutdown) -> Result<(), QueueError> {
        let mut listener = self.subscribe().await?;
        while !shutdown.is_draining() {
            if self.relay_batch().await? == BATCH.unsigned_abs() {
                continue;
            }
            *pause = FIRST_PAUSE;
            let woken = tokio::select! {
                woken = tokio::time::timeout(FALLBACK, listener.notifications.recv()) => woken,
                () = shutdown.draining() => return Ok(()),
            };
            match woken {
                Ok(Some(_)) => while listener.notifications.try_recv().is_ok() {},
                Err(_) => {}
                Ok(None) => listener = self.subscribe().await?,
            }
        }
        Ok(())
    }

    async fn subscribe(&self) -> Result<Dedicated, PostgresError> {
        let dedicated = self.postgres.dedicated().await?;
        let statement = format!("LISTEN {CHANNEL}");
        dedicated
            .client
            .batch_execute(&statement)
            .await
            .map_err(|source| PostgresError::Statement { statement, source })?;
        Ok(dedicated)
    }

    /// Relays everything that is committed now. Returns how many messages it moved.
    ///
    /// # Errors
    /// PostgreSQL or Redis did not do it; what is not moved is still in the outbox.
    pub async fn relay_all(&self) -> Result<u64, QueueError> {
        let mut total = 0;
        loop {
            let moved = self.relay_batch().await?;
            total += moved;
            if moved < BATCH.unsigned_abs() {
                return Ok(total);
            }
        }
    }

    // One trace of its own a batch: it carries messages of many traces.
    #[tracing::instrument(name = "relay outbox", skip_all)]
    async fn relay_batch(&self) -> Result<u64, QueueError> {
        let mut connection = self.postgres.get().await?;
        let transaction = connection.transaction().await?;
        let rows = transaction
            .query(
                "SELECT id, queue, message FROM kiuas.outbox \
                 ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED",
                &[&BATCH],
            )
            .await?;
        if rows.is_empty() {
            return Ok(0);
        }
        let ids: Vec<i64> = rows.iter().map(|row| row.get(0)).collect();
        let messages: Vec<_> = rows
            .iter()
            .map(|row| outgoing(row.get(1), row.get(2)))
            .collect();
        self.queue.push(&messages).await?;
        transaction
            .execute("DELETE FROM kiuas.outbox WHERE id = ANY($1)", &[&ids])
            .await?;
        transaction.commit().await?;
        let moved = u64::try_from(ids.len()).unwrap_or(u64::MAX);
        (self.count)(moved);
        Ok(moved)
    }
}

/// A message whose priority cannot be read is moved all the same: the workers' reader judges it.
fn outgoing(queue: String, text: String) -> Outgoing {
    let priority = serde_json::from_str::<Priority>(&text)
        .ok()
        .and_then(|message| message.properties.priority)
        .unwrap_or(0);
    Outgoing {
        id: TaskId::from(""),
        queue,
        priority,
        text,
    }
}
