//! A worker's consumer: claims, holds and ends deliveries.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use kiuas_common::redis::Redis;
use parking_lot::Mutex;
use redis::Script;

use super::keys::{Keys, STEPS};
use super::settle::{self, Effect, Settle};
use super::wake::Wake;
use crate::broker::{self, Broker, Claimed, Delivery, Due, Finish, Hold, Swept};
use crate::connection::SharedConnection;
use crate::error::QueueError;
use crate::message::{Envelope, LONGEST_MESSAGE, MessageError};
use crate::settings::QueueSettings;

static CLAIM: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("lua/claim.lua")));
static HEARTBEAT: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("lua/heartbeat.lua")));
static DUE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("lua/due.lua")));

/// Most messages in one claim: what a script may copy without holding up the server.
const MOST_CLAIMED: usize = 256;
/// Most tasks that one call moves from waiting to due, a queue.
const MOST_DUE: usize = 256;

/// What the claiming script answers: malformed messages, {tag, index of the list, message}, seconds,
/// microseconds.
type Answer = (u64, Vec<(String, usize, Vec<u8>)>, i64, i64);

/// A consumer on Redis. Clones are the same consumer.
#[derive(Clone)]
pub struct RedisBroker {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) worker: String,
    pub(super) keys: Keys,
    pub(super) settings: Arc<QueueSettings>,
    pub(super) connection: SharedConnection,
    /// The lease has a connection of its own, made on the runtime that renews it: a heartbeat must not
    /// wait behind tasks that keep the workers' threads busy.
    lease_connection: SharedConnection,
    pub(super) lease: Duration,
    queues: Vec<String>,
    wake: Wake,
    number: AtomicU64,
    turn: AtomicUsize,
    pub(super) held: Mutex<HashSet<String>>,
}

impl std::fmt::Debug for RedisBroker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisBroker")
            .field("worker", &self.inner.worker)
            .field("queues", &self.inner.queues)
            .finish_non_exhaustive()
    }
}

impl RedisBroker {
    pub(crate) fn new(
        redis: Redis,
        settings: Arc<QueueSettings>,
        queues: Vec<String>,
        lease: Duration,
    ) -> Self {
        let keys = Keys::new(&settings.key_prefix);
        let lists = STEPS
            .iter()
            .flat_map(|step| queues.iter().map(|queue| keys.list(queue, *step)))
            .collect();
        let worker = broker::worker_name();
        Self {
            inner: Arc::new(Inner {
                worker,
                keys,
                settings,
                connection: SharedConnection::new(redis.clone()),
                lease_connection: SharedConnection::new(redis.clone()),
                lease,
                queues,
                wake: Wake::new(redis, lists),
                number: AtomicU64::new(1),
                turn: AtomicUsize::new(0),
                held: Mutex::default(),
            }),
        }
    }

    /// How many messages are in its hands.
    #[must_use]
    pub fn held(&self) -> usize {
        self.inner.held.lock().len()
    }

    /// The queues in the order of this claim: another one is first each time.
    fn rotated(&self) -> Vec<&str> {
        let queues = &self.inner.queues;
        let start = self.inner.turn.fetch_add(1, Ordering::Relaxed) % queues.len().max(1);
        queues
            .iter()
            .cycle()
            .skip(start)
            .take(queues.len())
            .map(String::as_str)
            .collect()
    }

    pub(super) async fn settle(&self, settle: Settle<'_>) -> Result<Hold, QueueError> {
        let inner = &self.inner;
        let hold = settle.run(&inner.connection, &inner.keys).await?;
        inner.held.lock().remove(settle.tag);
        Ok(hold)
    }

    fn lease_ms(&self) -> u64 {
        u64::try_from(self.inner.lease.as_millis()).unwrap_or(u64::MAX)
    }
}

impl Broker for RedisBroker {
    fn worker_id(&self) -> &str {
        &self.inner.worker
    }

    /// Nothing is fetched ahead.
    async fn withdraw(&self) -> Result<(), QueueError> {
        Ok(())
    }

    async fn claim(&self, most: usize) -> Result<Claimed, QueueError> {
        let inner = &self.inner;
        let most = most.min(MOST_CLAIMED);
        let queues = self.rotated();
        let numbers = u64::try_from(most).unwrap_or(u64::MAX);
        let first = inner.number.fetch_add(numbers, Ordering::Relaxed);
        let mut call = CLAIM.prepare_invoke();
        call.key(inner.keys.unacked())
            .key(inner.keys.unacked_index())
            .key(inner.keys.alive(&inner.worker))
            .arg(most)
            .arg(LONGEST_MESSAGE)
            .arg(self.lease_ms())
            .arg(&inner.worker)
            .arg(first);
        for step in STEPS {
            for queue in &queues {
                let name = serde_json::to_string(queue).map_err(MessageError::Write)?;
                call.key(inner.keys.list(queue, step))
                    .arg(name)
                    .arg(inner.keys.malformed(queue));
            }
        }
        let (malformed, claimed, seconds, micros): Answer =
            inner.connection.script("hand out tasks", &call).await?;
        let claimed_at = Timestamp::from_microsecond(seconds * 1_000_000 + micros)
            .unwrap_or_else(|_| Timestamp::now());
        if malformed > 0 {
            tracing::warn!(
                malformed,
                "put aside {malformed} messages that are no tasks"
            );
        }
        inner
            .held
            .lock()
            .extend(claimed.iter().map(|(tag, _, _)| tag.clone()));
        let deliveries = claimed
            .into_iter()
            .map(|(tag, list, raw)| Delivery {
                tag,
                queue: queues
                    .get(list % queues.len().max(1))
                    .map(|queue| (*queue).to_owned())
                    .unwrap_or_default(),
                raw,
                claimed_at,
            })
            .collect();
        Ok(Claimed {
            deliveries,
            malformed,
        })
    }

    async fn wait(&self, at_most: Duration) -> Result<(), QueueError> {
        self.inner.wake.wait(at_most).await
    }

    async fn finish(&self, delivery: &Delivery, finish: Finish) -> Result<Hold, QueueError> {
        let inner = &self.inner;
        let effects = settle::effects(&inner.keys, &inner.settings, delivery, &finish)?;
        self.settle(Settle::new(&delivery.tag, effects)).await
    }

    async fn defer(
        &self,
        delivery: &Delivery,
        priority: u8,
        eta: Timestamp,
    ) -> Result<Hold, QueueError> {
        let effect = settle::later(
            &self.inner.keys,
            &delivery.queue,
            priority,
            &delivery.tag,
            eta,
            &delivery.raw,
        );
        self.settle(Settle::new(&delivery.tag, vec![effect])).await
    }

    async fn release(&self, delivery: &Delivery) -> Result<Hold, QueueError> {
        let (priority, text) = match Envelope::parse(&delivery.raw) {
            Ok(mut envelope) => {
                envelope.mark_redelivered();
                (envelope.priority(), envelope.to_text()?.into_bytes())
            }
            // The next reader judges it.
            Err(_) => (0, delivery.raw.clone()),
        };
        let effect = Effect::Front {
            list: self.inner.keys.list(&delivery.queue, priority),
            text,
        };
        self.settle(Settle::new(&delivery.tag, vec![effect])).await
    }

    async fn divert(&self, delivery: &Delivery, reason: &str) -> Result<Hold, QueueError> {
        tracing::warn!(
            queue = %delivery.queue,
            reason,
            "put aside a message that is no task"
        );
        let effect = Effect::Aside {
            list: self.inner.keys.malformed(&delivery.queue),
            text: delivery.raw.clone(),
        };
        self.settle(Settle::new(&delivery.tag, vec![effect])).await
    }

    async fn heartbeat(&self) -> Result<Vec<String>, QueueError> {
        let inner = &self.inner;
        let tags: Vec<String> = inner.held.lock().iter().cloned().collect();
        let mut call = HEARTBEAT.prepare_invoke();
        call.key(inner.keys.alive(&inner.worker))
            .key(inner.keys.unacked())
            .key(inner.keys.unacked_index())
            .arg(self.lease_ms());
        for tag in &tags {
            call.arg(tag);
        }
        let gone: Vec<String> = inner
            .lease_connection
            .script("renew a worker's lease", &call)
            .await?;
        // What was ended by ourselves meanwhile is not lost.
        let mut held = inner.held.lock();
        Ok(gone.into_iter().filter(|tag| held.remove(tag)).collect())
    }

    async fn sweep(&self) -> Result<Swept, QueueError> {
        super::restore::sweep(self).await
    }

    async fn move_due(&self) -> Result<Due, QueueError> {
        let inner = &self.inner;
        let mut call = DUE.prepare_invoke();
        call.arg(MOST_DUE);
        for queue in &inner.queues {
            call.key(inner.keys.eta(queue));
            for step in STEPS {
                call.arg(inner.keys.list(queue, step));
            }
        }
        let (moved, next): (u64, i64) = inner.connection.script("move due tasks", &call).await?;
        Ok(Due {
            moved,
            next: u64::try_from(next).ok().map(Duration::from_millis),
        })
    }

    async fn leave(&self) -> Result<(), QueueError> {
        let mut pipeline = redis::Pipeline::new();
        pipeline
            .del(self.inner.keys.alive(&self.inner.worker))
            .ignore();
        self.inner
            .connection
            .pipeline("end a worker's lease", &pipeline)
            .await
    }
}
