//! The producing side: one connection, opened at the first message and anew after it broke.

use std::sync::Arc;

use lapin::ExchangeKind;
use parking_lot::Mutex;

use super::dial::Dialer;
use super::link::Link;
use super::wire::Publication;
use super::{AmqpError, AmqpSettings, delay};
use crate::message::Outgoing;

/// Publishes tasks. Clones share one connection.
#[derive(Debug, Clone)]
pub(crate) struct AmqpClient {
    pub(super) dialer: Arc<Dialer>,
    link: Arc<Mutex<Option<Arc<Link>>>>,
    opening: Arc<tokio::sync::Mutex<()>>,
}

impl AmqpClient {
    /// Checks the settings; connects to nothing yet.
    pub(crate) fn new(settings: &AmqpSettings) -> Result<Self, AmqpError> {
        Ok(Self {
            dialer: Arc::new(Dialer::new(settings)?),
            link: Arc::default(),
            opening: Arc::default(),
        })
    }

    /// Publishes messages in order, many at a time under way. `Ok` when queues have all of them.
    pub(crate) async fn push(&self, messages: &[Outgoing]) -> Result<(), AmqpError> {
        let link = self.link().await?;
        let outcome = publish(&link, messages).await;
        if outcome.is_err() && !link.is_alive() {
            *self.link.lock() = None;
        }
        outcome
    }

    /// Asks whether the server takes our connection.
    pub(crate) async fn ping(&self) -> Result<(), AmqpError> {
        self.link().await.map(drop)
    }

    /// Publishes something for whoever listens, to a topic exchange that is made if it is missing.
    pub(crate) async fn announce(&self, event: Publication) -> Result<(), AmqpError> {
        let link = self.link().await?;
        link.ensure_exchange(&event.exchange, ExchangeKind::Topic, true)
            .await?;
        link.publish(std::slice::from_ref(&event)).await
    }

    /// Publishes something for every worker, to a fanout exchange that is made if it is missing.
    pub(crate) async fn broadcast(&self, request: Publication) -> Result<(), AmqpError> {
        let link = self.link().await?;
        link.ensure_exchange(&request.exchange, ExchangeKind::Fanout, false)
            .await?;
        link.publish(std::slice::from_ref(&request)).await
    }

    /// A connection apart, shown by RabbitMQ under `name`.
    pub(crate) async fn dial(&self, name: &str) -> Result<Link, AmqpError> {
        Link::open(&self.dialer, name).await
    }

    async fn link(&self) -> Result<Arc<Link>, AmqpError> {
        let alive = || self.link.lock().clone().filter(|link| link.is_alive());
        if let Some(link) = alive() {
            return Ok(link);
        }
        let _one_at_a_time = self.opening.lock().await;
        if let Some(link) = alive() {
            return Ok(link);
        }
        let name = format!("kiuas-{}", std::process::id());
        let link = Arc::new(Link::open(&self.dialer, &name).await?);
        *self.link.lock() = Some(Arc::clone(&link));
        Ok(link)
    }
}

/// Publishes `messages` on `link`; those for later wait in the server.
pub(super) async fn publish(link: &Link, messages: &[Outgoing]) -> Result<(), AmqpError> {
    let mut publications = Vec::with_capacity(messages.len());
    for message in messages {
        let publication = Publication::of(&message.queue, message.text.as_bytes())?;
        publications.push(match delay::pause(publication.eta) {
            Some(pause) => {
                link.ensure_delay(&message.queue).await?;
                delay::delayed(publication, pause)
            }
            None => {
                link.ensure_queue(&message.queue).await?;
                publication
            }
        });
    }
    link.publish(&publications).await
}
