//! What a consumer publishes and stores when a message has come to an end.

use std::sync::atomic::Ordering;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::client::publish;
use super::consumer::AmqpBroker;
use super::intake::Message;
use super::session::Session;
use super::wire::Publication;
use super::{AmqpError, delay};
use crate::broker::Finish;
use crate::canvas::ChordStep;
use crate::error::QueueError;
use crate::message::{Envelope, iso};
use crate::poison::Burial;
use crate::result::ResultMeta;

/// The header that a dead letter or a malformed message carries: why, when, whence.
const EVIDENCE: &str = "x-kiuas-evidence";

impl AmqpBroker {
    /// The end of a task that killed its workers.
    pub(super) async fn bury(
        &self,
        session: &Session,
        message: &Message,
        envelope: &Envelope,
    ) -> Result<(), QueueError> {
        let queue = self.queue(message);
        let burial = Burial::of(envelope);
        let letters = self.inner.keys.dead(queue);
        self.set_aside(session, &letters, message, queue, &burial.reason)
            .await?;
        self.store(&burial.results).await?;
        session.ack(message.number).await?;
        self.inner.dead.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    pub(super) async fn put_aside(
        &self,
        session: &Session,
        message: &Message,
        reason: &str,
    ) -> Result<(), QueueError> {
        let queue = self.queue(message);
        let letters = self.inner.keys.malformed(queue);
        self.set_aside(session, &letters, message, queue, reason)
            .await?;
        Ok(session.ack(message.number).await?)
    }

    /// Copies a message, with the evidence as a header, to a queue that nobody consumes.
    pub(super) async fn set_aside(
        &self,
        session: &Session,
        letters: &str,
        message: &Message,
        queue: &str,
        reason: &str,
    ) -> Result<(), AmqpError> {
        session.link.ensure_letters(letters).await?;
        let evidence = evidence(queue, reason);
        let letter = Publication::of(letters, &message.raw)?.with_header(EVIDENCE, &evidence)?;
        session.link.publish(&[letter]).await
    }

    pub(super) async fn note(
        &self,
        steps: impl Iterator<Item = &ChordStep>,
    ) -> Result<(), QueueError> {
        let steps: Vec<_> = steps.cloned().collect();
        let period = self.inner.settings.result_expires;
        self.inner.results.note(&steps, period).await
    }

    /// Sends results to whoever waits for them on the other side of RabbitMQ.
    pub(super) async fn reply(
        &self,
        session: &Session,
        message: &Message,
        results: &[ResultMeta],
    ) -> Result<(), AmqpError> {
        let reply_to = message.reply_to.as_deref().filter(|it| !it.is_empty());
        let Some(reply_to) = reply_to.filter(|_| self.inner.settings.amqp.rpc_results) else {
            return Ok(());
        };
        let replies: Result<Vec<_>, _> = results
            .iter()
            .map(|meta| Publication::result(reply_to, meta))
            .collect();
        session.link.publish(&replies?).await
    }

    pub(super) async fn store(&self, results: &[ResultMeta]) -> Result<(), QueueError> {
        let period = self.inner.settings.result_expires;
        self.inner.results.store(results, period).await
    }

    /// Everything that is published when a task has ended.
    pub(super) async fn follow(
        &self,
        session: &Session,
        message: &Message,
        finish: &Finish,
    ) -> Result<(), QueueError> {
        let begin = |step: &&ChordStep| !matches!(step, ChordStep::End { .. });
        self.note(finish.chords.iter().filter(begin)).await?;
        let again = finish.again.iter().map(|(_, message)| message);
        let messages: Vec<_> = finish.follow_ups.iter().chain(again).cloned().collect();
        if !messages.is_empty() {
            publish(&session.link, &messages).await?;
        }
        if let Some(reason) = &finish.dead {
            let queue = self.queue(message);
            let letters = self.inner.keys.dead(queue);
            self.set_aside(session, &letters, message, queue, reason)
                .await?;
        }
        Ok(())
    }

    /// Puts a copy that comes later in the place of `message`.
    pub(super) async fn send_later(
        &self,
        session: &Session,
        message: &Message,
        priority: u8,
        eta: Timestamp,
    ) -> Result<(), AmqpError> {
        let queue = self.queue(message);
        let copy = Publication::of(queue, &message.raw)?.with_priority(priority);
        let left = eta.duration_since(Timestamp::now());
        let left = Duration::try_from(left).unwrap_or_default();
        // At least one second: less would come back at once.
        let pause = left.max(Duration::from_secs(1));
        session.link.ensure_delay(queue).await?;
        session.link.publish(&[delay::delayed(copy, pause)]).await?;
        session.ack(message.number).await
    }
}

fn evidence(queue: &str, reason: &str) -> Value {
    json!({"queue": queue, "reason": reason, "at": iso(Timestamp::now())})
}
