//! Fans out what Redis delivers to the sockets of this process.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::StreamExt;
use kiuas_common::redis::Redis;
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

/// Messages that wait for one socket; one more and the visitor is too slow.
const QUEUE: usize = 32;
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// What a subscription delivers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A message that was published.
    Message(Arc<str>),
    /// Messages may have been lost: take a fresh snapshot.
    Resync,
}

/// The receiving end of one socket. Ends the subscription when dropped.
#[derive(Debug)]
pub struct Subscription {
    events: mpsc::Receiver<Event>,
    channel: String,
    id: u64,
    hub: Weak<Mutex<Subscribers>>,
}

impl Subscription {
    /// The next event; `None` when this reader was too slow and has been dropped.
    pub async fn next(&mut self) -> Option<Event> {
        self.events.recv().await
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        if let Some(subscribers) = self.hub.upgrade() {
            subscribers.lock().remove(&self.channel, self.id);
        }
    }
}

#[derive(Debug, Default)]
struct Subscribers {
    channels: HashMap<String, Vec<(u64, mpsc::Sender<Event>)>>,
    last_id: u64,
}

impl Subscribers {
    fn remove(&mut self, channel: &str, id: u64) {
        if let Entry::Occupied(mut entry) = self.channels.entry(channel.to_owned()) {
            entry.get_mut().retain(|(other, _)| *other != id);
            if entry.get().is_empty() {
                entry.remove();
            }
        }
    }

    fn send(&mut self, channel: &str, event: &Event) {
        if let Entry::Occupied(mut entry) = self.channels.entry(channel.to_owned()) {
            entry.get_mut().retain(|(_, sender)| deliver(sender, event));
            if entry.get().is_empty() {
                entry.remove();
            }
        }
    }

    fn send_all(&mut self, event: &Event) {
        self.channels.retain(|_, senders| {
            senders.retain(|(_, sender)| deliver(sender, event));
            !senders.is_empty()
        });
    }
}

/// False if the reader is gone or too slow.
fn deliver(sender: &mpsc::Sender<Event>, event: &Event) -> bool {
    match sender.try_send(event.clone()) {
        Ok(()) => true,
        Err(TrySendError::Full(_)) => {
            tracing::debug!("a live subscriber is too slow and is dropped");
            false
        }
        Err(TrySendError::Closed(_)) => false,
    }
}

#[derive(Debug)]
pub(super) struct Hub {
    prefix: String,
    subscribers: Arc<Mutex<Subscribers>>,
}

impl Hub {
    pub(super) fn new(prefix: String) -> Self {
        Self {
            prefix,
            subscribers: Arc::default(),
        }
    }

    /// The name of `channel` in Redis.
    pub(super) fn name(&self, channel: &str) -> String {
        format!("{}{channel}", self.prefix)
    }

    pub(super) fn subscribe(&self, channel: &str) -> Subscription {
        let (sender, events) = mpsc::channel(QUEUE);
        let mut subscribers = self.subscribers.lock();
        subscribers.last_id += 1;
        let id = subscribers.last_id;
        subscribers
            .channels
            .entry(channel.to_owned())
            .or_default()
            .push((id, sender));
        Subscription {
            events,
            channel: channel.to_owned(),
            id,
            hub: Arc::downgrade(&self.subscribers),
        }
    }

    /// Never ends: a lost connection is made again.
    pub(super) async fn receive(&self, redis: &Redis) {
        let mut pause = FIRST_PAUSE;
        loop {
            match self.receive_once(redis).await {
                // The connection worked for a while: begin with short pauses again.
                Ok(()) => pause = FIRST_PAUSE,
                Err(error) => {
                    tracing::warn!(%error, "live updates cannot subscribe to Redis, trying again");
                }
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn receive_once(&self, redis: &Redis) -> Result<(), redis::RedisError> {
        let mut subscription = redis.client().get_async_pubsub().await?;
        subscription.psubscribe(self.name("*")).await?;
        // From here on nothing is missed; what came before may have been.
        self.subscribers.lock().send_all(&Event::Resync);
        let mut messages = subscription.on_message();
        while let Some(message) = messages.next().await {
            let Some(channel) = message.get_channel_name().strip_prefix(&self.prefix) else {
                continue;
            };
            match message.get_payload::<String>() {
                Ok(text) => {
                    let event = Event::Message(text.into());
                    self.subscribers.lock().send(channel, &event);
                }
                Err(error) => tracing::debug!(%error, "a live message is no text"),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
