//! Moves messages from the outbox to the broker.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
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

/// How many messages a relay has moved. Clones share the count.
#[derive(Debug, Clone, Default)]
pub struct Relayed(Arc<AtomicU64>);

impl Relayed {
    /// The count since the start.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Moves committed messages to the broker. Any number of relays may run at once.
#[derive(Debug, Clone)]
pub struct Relay {
    postgres: Postgres,
    queue: Queue,
    relayed: Relayed,
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
            relayed: Relayed::default(),
        }
    }

    /// The count of moved messages.
    #[must_use]
    pub fn relayed(&self) -> Relayed {
        self.relayed.clone()
    }

    /// Relays until the drain begins. Trouble with PostgreSQL or Redis is logged and tried again, for
    /// ever: nothing is lost meanwhile.
    pub async fn run(&self, shutdown: Shutdown) {
        let mut pause = FIRST_PAUSE;
        while !shutdown.is_draining() {
            let error = tokio::select! {
                outcome = self.listen(&mut pause) => outcome,
                () = shutdown.draining() => return,
            };
            tracing::warn!(
                error = %chain(&error),
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

    /// Relays what comes, until something fails.
    async fn listen(&self, pause: &mut Duration) -> QueueError {
        let mut listener = match self.subscribe().await {
            Ok(listener) => listener,
            Err(error) => return error.into(),
        };
        loop {
            if let Err(error) = self.relay_all().await {
                return error;
            }
            *pause = FIRST_PAUSE;
            let woken = listener.notifications.recv();
            match tokio::time::timeout(FALLBACK, woken).await {
                Ok(Some(_)) => while listener.notifications.try_recv().is_ok() {},
                Err(_) => {}
                Ok(None) => match self.subscribe().await {
                    Ok(again) => listener = again,
                    Err(error) => return error.into(),
                },
            }
        }
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
        self.relayed.0.fetch_add(moved, Ordering::Relaxed);
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

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
