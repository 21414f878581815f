//! A worker's consumer on RabbitMQ.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::Mutex;

use super::client::AmqpClient;
use super::dial::Dialer;
use super::intake::{Intake, Message};
use super::redelivery::Redeliveries;
use super::session::Session;
use super::{AmqpError, delay};
use crate::broker::{self, Broker, Claimed, Delivery, Due, Finish, Hold, Swept};
use crate::canvas::ChordStep;
use crate::error::QueueError;
use crate::message::{Envelope, LONGEST_MESSAGE, TaskId};
use crate::poison::MOST_DELIVERIES;
use crate::redis::Keys;
use crate::results::Results;
use crate::settings::QueueSettings;

/// A consumer on RabbitMQ. Clones are the same consumer, with one connection.
#[derive(Debug, Clone)]
pub struct AmqpBroker {
    pub(super) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(super) struct Inner {
    worker: String,
    dialer: Arc<Dialer>,
    pub(super) settings: Arc<QueueSettings>,
    pub(super) keys: Keys,
    pub(super) results: Results,
    redeliveries: Redeliveries,
    queues: Vec<String>,
    prefetch: u16,
    intake: Arc<Intake>,
    session: Mutex<Option<Arc<Session>>>,
    opening: tokio::sync::Mutex<()>,
    generation: AtomicU64,
    number: AtomicU64,
    turn: AtomicUsize,
    /// Messages given up since the last sweep was asked.
    pub(super) dead: AtomicU64,
}

/// Everything but the connection that a consumer is made of.
pub(crate) struct Parts {
    pub(crate) settings: Arc<QueueSettings>,
    pub(crate) keys: Keys,
    pub(crate) results: Results,
    pub(crate) queues: Vec<String>,
    pub(crate) concurrency: usize,
}

impl AmqpBroker {
    pub(crate) fn new(client: &AmqpClient, parts: Parts) -> Self {
        let concurrency = u16::try_from(parts.concurrency).unwrap_or(u16::MAX);
        let prefetch = match parts.settings.amqp.prefetch {
            0 => concurrency.max(1),
            some => some,
        };
        Self {
            inner: Arc::new(Inner {
                worker: broker::worker_name(),
                dialer: Arc::clone(&client.dialer),
                redeliveries: Redeliveries::new(parts.results.clone(), parts.keys.clone()),
                settings: parts.settings,
                keys: parts.keys,
                results: parts.results,
                queues: parts.queues,
                prefetch,
                intake: Arc::default(),
                session: Mutex::default(),
                opening: tokio::sync::Mutex::default(),
                generation: AtomicU64::new(0),
                number: AtomicU64::new(1),
                turn: AtomicUsize::new(0),
                dead: AtomicU64::new(0),
            }),
        }
    }

    /// The connection, a new one with a clean slate if the last has ended.
    async fn session(&self) -> Result<Arc<Session>, AmqpError> {
        if let Some(session) = self.current() {
            return Ok(session);
        }
        let inner = &self.inner;
        let _one_at_a_time = inner.opening.lock().await;
        if let Some(session) = self.current() {
            return Ok(session);
        }
        let generation = inner.generation.fetch_add(1, Ordering::Relaxed) + 1;
        *inner.session.lock() = None;
        inner.intake.begin(generation, inner.queues.len());
        let opened = Session::open(&inner.dialer, &inner.worker, generation, inner.prefetch);
        let session = Arc::new(opened.await?);
        *inner.session.lock() = Some(Arc::clone(&session));
        Ok(session)
    }

    /// The connection if it lives.
    fn current(&self) -> Option<Arc<Session>> {
        let session = self.inner.session.lock().clone();
        session.filter(|session| session.is_alive())
    }

    /// The message of `delivery` and the connection that it is held by; `None` if it is not ours.
    fn held(&self, delivery: &Delivery) -> Option<(Message, Arc<Session>)> {
        let message = self.inner.intake.held(&delivery.tag)?;
        let session = self.current();
        match session.filter(|session| session.generation == message.generation) {
            Some(session) => Some((message, session)),
            None => {
                self.inner.intake.ended(&delivery.tag);
                None
            }
        }
    }

    /// What became of something that was done with a delivery: a lost connection means that it is
    /// somebody else's now.
    fn judge(
        &self,
        delivery: &Delivery,
        session: &Session,
        outcome: Result<(), AmqpError>,
    ) -> Result<Hold, QueueError> {
        match outcome {
            Ok(()) => {
                self.inner.intake.ended(&delivery.tag);
                Ok(Hold::Kept)
            }
            Err(error) if session.is_alive() => Err(error.into()),
            Err(error) => {
                tracing::debug!(%error, "the connection that held a task has ended");
                self.inner.intake.ended(&delivery.tag);
                Ok(Hold::Lost)
            }
        }
    }

    fn tag(&self) -> String {
        let number = self.inner.number.fetch_add(1, Ordering::Relaxed);
        format!("{}:{number}", self.inner.worker)
    }

    pub(super) fn queue(&self, message: &Message) -> &str {
        let queue = self.inner.queues.get(message.queue);
        queue.map(String::as_str).unwrap_or_default()
    }

    /// Hands `message` out, unless it was given up or has gone.
    async fn hand_out(
        &self,
        session: &Session,
        mut message: Message,
        claimed: &mut Claimed,
    ) -> Result<(), QueueError> {
        let queue = self.queue(&message).to_owned();
        if message.raw.len() > LONGEST_MESSAGE * 2 {
            self.put_aside(session, &message, "it is too long").await?;
            claimed.malformed += 1;
            return Ok(());
        }
        if let Some(count) = message.redelivered
            && let Ok(mut envelope) = Envelope::parse(&message.raw)
        {
            let id = TaskId::from(envelope.headers.id.as_str());
            let deaths = self.inner.redeliveries.came_back(&id, count).await?;
            envelope.mark_redelivered();
            envelope.headers.deliveries = (deaths > 0).then_some(deaths);
            message.raw = envelope.to_text()?.into_bytes();
            // Counted once, whatever becomes of this claim.
            message.redelivered = None;
            if deaths >= MOST_DELIVERIES {
                return self.bury(session, &message, &envelope).await;
            }
        }
        let tag = self.tag();
        let raw = message.raw.clone();
        if self.inner.intake.hand_out(tag.clone(), message) {
            claimed.deliveries.push(Delivery {
                tag,
                queue,
                raw,
                claimed_at: Timestamp::now(),
            });
        }
        Ok(())
    }

    /// How many may be put off here, in our hands.
    fn most_put_off(&self) -> usize {
        (usize::from(self.inner.prefetch) / 2).max(1)
    }
}

fn id_of(message: &Message) -> Option<TaskId> {
    let envelope = Envelope::parse(&message.raw).ok()?;
    Some(TaskId::from(envelope.headers.id))
}

impl Broker for AmqpBroker {
    fn worker_id(&self) -> &str {
        &self.inner.worker
    }

    async fn claim(&self, most: usize) -> Result<Claimed, QueueError> {
        let inner = &self.inner;
        let session = self.session().await?;
        if session.is_cut_short() {
            // A queue was deleted: forget the connection, and what is not handed out comes back.
            *inner.session.lock() = None;
            return Ok(Claimed::default());
        }
        if !session.is_subscribed() {
            session.subscribe(&inner.queues, &inner.intake).await?;
        }
        let mut claimed = Claimed::default();
        while claimed.deliveries.len() < most {
            let turn = inner.turn.fetch_add(1, Ordering::Relaxed);
            let Some(message) = inner.intake.next(turn) else {
                break;
            };
            let kept = message.clone();
            if let Err(error) = self.hand_out(&session, message, &mut claimed).await {
                inner.intake.back(kept, true);
                // What is handed out already must reach the caller.
                if claimed.deliveries.is_empty() {
                    return Err(error);
                }
                break;
            }
        }
        Ok(claimed)
    }

    async fn withdraw(&self) -> Result<(), QueueError> {
        let Some(session) = self.current() else {
            return Ok(());
        };
        session.unsubscribe().await?;
        let fetched = self.inner.intake.take_fetched();
        let ids: Vec<_> = fetched.iter().filter_map(id_of).collect();
        if let Err(error) = self.inner.redeliveries.given_back(&ids).await {
            tracing::warn!(%error, "tasks that are given back will count as those of a dead worker");
        }
        for message in fetched {
            session.give_back(message.number).await?;
        }
        Ok(())
    }

    async fn wait(&self, at_most: Duration) -> Result<(), QueueError> {
        let changed = self.inner.intake.changed.notified();
        if !self.inner.intake.has_fetched() {
            // Time over is no failure: the caller looks, and comes back.
            drop(tokio::time::timeout(at_most, changed).await);
        }
        Ok(())
    }

    async fn finish(&self, delivery: &Delivery, finish: Finish) -> Result<Hold, QueueError> {
        let Some((message, session)) = self.held(delivery) else {
            return Ok(Hold::Lost);
        };
        if !message.published {
            match self.follow(&session, &message, &finish).await {
                Ok(()) => {}
                Err(QueueError::Amqp(error)) => {
                    return self.judge(delivery, &session, Err(error));
                }
                Err(error) => return Err(error),
            }
            self.inner.intake.published(&delivery.tag);
        }
        let results: Vec<_> = finish.result.into_iter().chain(finish.dependents).collect();
        self.store(&results).await?;
        if let Err(error) = self.reply(&session, &message, &results).await {
            return self.judge(delivery, &session, Err(error));
        }
        // Not before its body is with the server.
        self.note(
            finish
                .chords
                .iter()
                .filter(|step| matches!(step, ChordStep::End { .. })),
        )
        .await?;
        let acked = session.ack(message.number).await;
        self.inner.intake.ended(&delivery.tag);
        if let Err(error) = acked {
            // Everything has happened; the message comes back all the same.
            tracing::warn!(%error, "the acknowledgement of a task was lost, it will run again");
        }
        Ok(Hold::Kept)
    }

    async fn defer(
        &self,
        delivery: &Delivery,
        priority: u8,
        eta: Timestamp,
    ) -> Result<Hold, QueueError> {
        let Some((message, session)) = self.held(delivery) else {
            return Ok(Hold::Lost);
        };
        if delay::pause(Some(eta)).is_none() {
            let most = self.most_put_off();
            match self.inner.intake.put_off(&delivery.tag, eta, most) {
                Some(true) => return Ok(Hold::Kept),
                Some(false) => {}
                None => return Ok(Hold::Lost),
            }
        }
        let sent = self.send_later(&session, &message, priority, eta).await;
        self.judge(delivery, &session, sent)
    }

    async fn release(&self, delivery: &Delivery) -> Result<Hold, QueueError> {
        let Some((message, session)) = self.held(delivery) else {
            return Ok(Hold::Lost);
        };
        let id = id_of(&message);
        let noted = self.inner.redeliveries.given_back(id.as_slice()).await;
        if let Err(error) = noted {
            tracing::warn!(%error, "a task that is given back will count as that of a dead worker");
        }
        let given = session.give_back(message.number).await;
        self.judge(delivery, &session, given)
    }

    async fn divert(&self, delivery: &Delivery, reason: &str) -> Result<Hold, QueueError> {
        tracing::warn!(
            queue = %delivery.queue,
            reason,
            "put aside a message that is no task"
        );
        let Some((message, session)) = self.held(delivery) else {
            return Ok(Hold::Lost);
        };
        match self.put_aside(&session, &message, reason).await {
            Err(QueueError::Amqp(error)) => self.judge(delivery, &session, Err(error)),
            Err(error) => Err(error),
            Ok(()) => self.judge(delivery, &session, Ok(())),
        }
    }

    /// The connection is the lease; its heartbeats are its own.
    async fn heartbeat(&self) -> Result<Vec<String>, QueueError> {
        self.session().await?;
        Ok(self.inner.intake.take_lost())
    }

    /// RabbitMQ gives back what dead workers held. Tells what was given up meanwhile.
    async fn sweep(&self) -> Result<Swept, QueueError> {
        Ok(Swept {
            restored: 0,
            dead: self.inner.dead.swap(0, Ordering::Relaxed),
        })
    }

    async fn move_due(&self) -> Result<Due, QueueError> {
        let now = Timestamp::now();
        let (moved, next) = self.inner.intake.move_due(now);
        let next = next.and_then(|next| Duration::try_from(next.duration_since(now)).ok());
        Ok(Due { moved, next })
    }

    async fn leave(&self) -> Result<(), QueueError> {
        self.withdraw().await?;
        let session = self.inner.session.lock().take();
        if let Some(session) = session {
            let closing = session.link.connection.close(200, "leaving".into());
            super::link::ask("close a connection", closing).await?;
        }
        Ok(())
    }
}
