//! A worker's consumer of the memory broker.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use parking_lot::Mutex;

use super::store::{Contents, Held, Store, Waiting, put_aside};
use crate::broker::{self, Broker, Claimed, Delivery, Due, Finish, Hold, Swept};
use crate::error::QueueError;
use crate::message::{Envelope, LONGEST_MESSAGE};
use crate::poison::{Burial, MOST_DELIVERIES, dead_letter};
use crate::redis::STEPS;
use crate::settings::QueueSettings;

/// A consumer on the memory broker. Clones are the same consumer.
#[derive(Debug, Clone)]
pub struct MemoryBroker {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    worker: String,
    store: Store,
    settings: Arc<QueueSettings>,
    queues: Vec<String>,
    lease: Duration,
    number: AtomicU64,
    turn: AtomicUsize,
    /// Tags handed out and not ended by this consumer.
    handed: Mutex<HashSet<String>>,
}

impl MemoryBroker {
    pub(crate) fn new(
        store: Store,
        settings: Arc<QueueSettings>,
        queues: Vec<String>,
        lease: Duration,
    ) -> Self {
        Self {
            inner: Arc::new(Inner {
                worker: broker::worker_name(),
                store,
                settings,
                queues,
                lease,
                number: AtomicU64::new(1),
                turn: AtomicUsize::new(0),
                handed: Mutex::default(),
            }),
        }
    }

    /// The dead letters of `queue`, newest first, in the form of the Redis broker.
    #[must_use]
    pub fn dead_letters(&self, queue: &str) -> Vec<Vec<u8>> {
        self.inner.store.with(|contents| {
            let letters = contents.dead.get(queue).into_iter().flatten();
            letters.cloned().collect()
        })
    }

    /// The messages of `queue` that are no tasks, newest first.
    #[must_use]
    pub fn malformed(&self, queue: &str) -> Vec<Vec<u8>> {
        self.inner.store.with(|contents| {
            let letters = contents.malformed.get(queue).into_iter().flatten();
            letters.cloned().collect()
        })
    }

    fn renew(&self, contents: &mut Contents) {
        let now = Instant::now();
        let until = now.checked_add(self.inner.lease).unwrap_or(now);
        contents.leases.insert(self.inner.worker.clone(), until);
    }

    /// Does `act` with the record of `delivery`, which goes, or nothing if it is not ours any more.
    fn settle(
        &self,
        delivery: &Delivery,
        act: impl FnOnce(&mut Contents, Held) -> Result<(), QueueError>,
    ) -> Result<Hold, QueueError> {
        let hold = self.inner.store.with(|contents| {
            let Some(held) = contents.held.get(&delivery.tag).cloned() else {
                return Ok(Hold::Lost);
            };
            act(contents, held)?;
            contents.held.remove(&delivery.tag);
            Ok(Hold::Kept)
        });
        if hold.is_ok() {
            self.inner.handed.lock().remove(&delivery.tag);
        }
        self.inner.store.filled.notify_waiters();
        self.inner.store.announce_results();
        hold
    }

    fn take(&self, contents: &mut Contents, most: usize) -> Claimed {
        let inner = &self.inner;
        let start = inner.turn.fetch_add(1, Ordering::Relaxed) % inner.queues.len().max(1);
        let mut claimed = Claimed::default();
        for at in 0..STEPS.len() {
            let queues = inner.queues.iter().cycle().skip(start);
            for queue in queues.take(inner.queues.len()) {
                while claimed.deliveries.len() < most
                    && let Some(raw) = contents.pop(queue, at)
                {
                    if is_object(&raw) {
                        claimed.deliveries.push(self.hold(contents, queue, raw));
                    } else {
                        let aside = contents.malformed.entry(queue.clone()).or_default();
                        put_aside(aside, raw);
                        claimed.malformed += 1;
                    }
                }
            }
        }
        claimed
    }

    fn hold(&self, contents: &mut Contents, queue: &str, raw: Vec<u8>) -> Delivery {
        let number = self.inner.number.fetch_add(1, Ordering::Relaxed);
        let tag = format!("{}:{number}", self.inner.worker);
        let held = Held {
            owner: self.inner.worker.clone(),
            number,
            queue: queue.to_owned(),
            raw: raw.clone(),
        };
        contents.held.insert(tag.clone(), held);
        self.inner.handed.lock().insert(tag.clone());
        Delivery {
            tag,
            queue: queue.to_owned(),
            raw,
            claimed_at: Timestamp::now(),
        }
    }

    fn apply(
        &self,
        contents: &mut Contents,
        delivery: &Delivery,
        finish: Finish,
    ) -> Result<(), QueueError> {
        contents.room_for(finish.follow_ups.len() + usize::from(finish.again.is_some()))?;
        contents.note(&finish.chords);
        for message in &finish.follow_ups {
            contents.push(Waiting::from(message), false);
        }
        if let Some((eta, message)) = &finish.again {
            contents.put_off(Waiting::from(message), *eta);
        }
        if let Some(reason) = &finish.dead {
            let letter = dead_letter(&delivery.raw, &delivery.queue, reason, &delivery.tag);
            let letters = contents.dead.entry(delivery.queue.clone()).or_default();
            put_aside(letters, letter);
        }
        let period = self.inner.settings.result_expires.duration();
        for meta in finish.result.into_iter().chain(finish.dependents) {
            contents.store(meta, period);
        }
        Ok(())
    }

    /// What a dead worker held goes back to the front of its queue, or to the dead letters.
    fn restore(&self, contents: &mut Contents, tag: &str, held: Held, swept: &mut Swept) {
        let Ok(mut envelope) = Envelope::parse(&held.raw) else {
            let message = Waiting {
                queue: held.queue,
                priority: 0,
                text: held.raw,
            };
            contents.push(message, true);
            swept.restored += 1;
            return;
        };
        envelope.mark_redelivered();
        let deaths = envelope.headers.deliveries.unwrap_or(0) + 1;
        envelope.headers.deliveries = Some(deaths);
        if deaths >= MOST_DELIVERIES {
            let burial = Burial::of(&envelope);
            let letter = dead_letter(&held.raw, &held.queue, &burial.reason, tag);
            put_aside(contents.dead.entry(held.queue).or_default(), letter);
            let period = self.inner.settings.result_expires.duration();
            for meta in burial.results {
                contents.store(meta, period);
            }
            swept.dead += 1;
            return;
        }
        let message = Waiting {
            priority: envelope.priority(),
            text: envelope.to_text().map_or(held.raw, String::into_bytes),
            queue: held.queue,
        };
        contents.push(message, true);
        swept.restored += 1;
    }
}

impl Broker for MemoryBroker {
    fn worker_id(&self) -> &str {
        &self.inner.worker
    }

    async fn claim(&self, most: usize) -> Result<Claimed, QueueError> {
        Ok(self.inner.store.with(|contents| {
            self.renew(contents);
            self.take(contents, most)
        }))
    }

    /// Nothing is fetched ahead.
    async fn withdraw(&self) -> Result<(), QueueError> {
        Ok(())
    }

    async fn wait(&self, at_most: Duration) -> Result<(), QueueError> {
        let store = &self.inner.store;
        // Made before the look: what is pushed in between is not missed.
        let filled = store.filled.notified();
        if !store.with(|contents| contents.is_filled(&self.inner.queues)) {
            // Time over is no failure: the caller looks, and comes back.
            drop(tokio::time::timeout(at_most, filled).await);
        }
        Ok(())
    }

    async fn finish(&self, delivery: &Delivery, finish: Finish) -> Result<Hold, QueueError> {
        self.settle(delivery, |contents, _| {
            self.apply(contents, delivery, finish)
        })
    }

    async fn defer(
        &self,
        delivery: &Delivery,
        priority: u8,
        eta: Timestamp,
    ) -> Result<Hold, QueueError> {
        self.settle(delivery, |contents, held| {
            let message = Waiting {
                queue: held.queue,
                priority,
                text: held.raw,
            };
            contents.put_off(message, eta);
            Ok(())
        })
    }

    async fn release(&self, delivery: &Delivery) -> Result<Hold, QueueError> {
        self.settle(delivery, |contents, held| {
            let (priority, text) = match Envelope::parse(&held.raw) {
                Ok(mut envelope) => {
                    envelope.mark_redelivered();
                    (envelope.priority(), envelope.to_text()?.into_bytes())
                }
                // The next reader judges it.
                Err(_) => (0, held.raw),
            };
            let message = Waiting {
                queue: held.queue,
                priority,
                text,
            };
            contents.push(message, true);
            Ok(())
        })
    }

    async fn divert(&self, delivery: &Delivery, reason: &str) -> Result<Hold, QueueError> {
        tracing::warn!(
            queue = %delivery.queue,
            reason,
            "put aside a message that is no task"
        );
        self.settle(delivery, |contents, held| {
            put_aside(contents.malformed.entry(held.queue).or_default(), held.raw);
            Ok(())
        })
    }

    async fn heartbeat(&self) -> Result<Vec<String>, QueueError> {
        let inner = &self.inner;
        Ok(inner.store.with(|contents| {
            self.renew(contents);
            let mut handed = inner.handed.lock();
            let is_gone = |tag: &String| !contents.held.contains_key(tag);
            let lost: Vec<_> = handed.iter().filter(|tag| is_gone(tag)).cloned().collect();
            handed.retain(|tag| !is_gone(tag));
            lost
        }))
    }

    async fn sweep(&self) -> Result<Swept, QueueError> {
        let now = Instant::now();
        let swept = self.inner.store.with(|contents| {
            let mut swept = Swept::default();
            let leases = &contents.leases;
            let is_dead = |held: &Held| leases.get(&held.owner).is_none_or(|until| *until <= now);
            let mut stale: Vec<_> = contents
                .held
                .iter()
                .filter(|(_, held)| held.owner != self.inner.worker && is_dead(held))
                .map(|(tag, held)| (tag.clone(), held.clone()))
                .collect();
            // From the last to the first, so that the first comes out in front.
            stale.sort_by_key(|(_, held)| std::cmp::Reverse(held.number));
            for (tag, held) in stale {
                contents.held.remove(&tag);
                self.restore(contents, &tag, held, &mut swept);
            }
            swept
        });
        self.inner.store.filled.notify_waiters();
        self.inner.store.announce_results();
        Ok(swept)
    }

    async fn move_due(&self) -> Result<Due, QueueError> {
        let now = Timestamp::now();
        let due = self.inner.store.with(|contents| {
            let mut due = Due::default();
            while let Some(first) = contents.later.first_entry() {
                let (eta, _) = *first.key();
                if eta > now {
                    due.next = Duration::try_from(eta.duration_since(now)).ok();
                    break;
                }
                let message = first.remove();
                contents.push(message, false);
                due.moved += 1;
            }
            due
        });
        self.inner.store.filled.notify_waiters();
        Ok(due)
    }

    async fn leave(&self) -> Result<(), QueueError> {
        self.inner.store.with(|contents| {
            contents.leases.remove(&self.inner.worker);
        });
        Ok(())
    }
}

/// As the claiming script of the Redis broker looks at a message.
fn is_object(raw: &[u8]) -> bool {
    raw.len() <= LONGEST_MESSAGE && raw.first() == Some(&b'{') && raw.last() == Some(&b'}')
}
