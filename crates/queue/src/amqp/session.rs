//! One connection of a consumer: what it consumes on it, and how that ends.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use lapin::Channel;
use lapin::options::{
    BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicNackOptions, BasicQosOptions,
};
use lapin::types::FieldTable;
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use super::AmqpError;
use super::dial::Dialer;
use super::intake::Intake;
use super::link::{Link, ask};
use super::table::short;
use super::wire::Arrival;

/// Longest wait for what is on its way to us when we stop to consume.
const LAST_ARRIVALS: Duration = Duration::from_secs(2);

/// A consumer's connection.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) link: Link,
    pub(super) generation: u64,
    channel: Channel,
    prefetch: u16,
    thread: Handle,
    /// Consumer tags and the tasks that read them; empty while nothing is fetched.
    subscriptions: Mutex<Vec<(String, JoinHandle<()>)>>,
}

impl Session {
    pub(super) async fn open(
        dialer: &Dialer,
        worker: &str,
        generation: u64,
        prefetch: u16,
    ) -> Result<Self, AmqpError> {
        let link = Link::open(dialer, worker).await?;
        let channel = link.channel().await?;
        Ok(Self {
            link,
            generation,
            channel,
            prefetch,
            thread: dialer.thread()?,
            subscriptions: Mutex::default(),
        })
    }

    pub(super) fn is_alive(&self) -> bool {
        self.link.is_alive() && self.channel.status().connected()
    }

    pub(super) fn is_subscribed(&self) -> bool {
        !self.subscriptions.lock().is_empty()
    }

    /// Lets RabbitMQ send what waits in `queues`, as much as the prefetch allows.
    pub(super) async fn subscribe(
        &self,
        queues: &[String],
        intake: &Arc<Intake>,
    ) -> Result<(), AmqpError> {
        let qos = BasicQosOptions { global: false };
        ask(
            "limit what it sends",
            self.channel.basic_qos(self.prefetch, qos),
        )
        .await?;
        for (at, queue) in queues.iter().enumerate() {
            self.link.ensure_queue(queue).await?;
            let consumer = self.channel.basic_consume(
                short("queue", queue)?,
                "".into(),
                BasicConsumeOptions::default(),
                FieldTable::default(),
            );
            let mut consumer = ask("send messages", consumer).await?;
            let tag = consumer.tag().to_string();
            let (intake, generation) = (Arc::clone(intake), self.generation);
            let reading = self.thread.spawn(async move {
                while let Some(Ok(delivery)) = consumer.next().await {
                    let arrival = Arrival::of(&delivery);
                    intake.arrived(generation, at, delivery.delivery_tag, arrival);
                }
                // Cancelled, or the connection has ended: the next claim finds out.
                intake.changed.notify_one();
            });
            self.subscriptions.lock().push((tag, reading));
        }
        Ok(())
    }

    /// True if a queue does not send any more though we asked for it: it was deleted.
    pub(super) fn is_cut_short(&self) -> bool {
        let subscriptions = self.subscriptions.lock();
        subscriptions
            .iter()
            .any(|(_, reading)| reading.is_finished())
    }

    /// Stops fetching. What was on its way is with the intake afterwards.
    pub(super) async fn unsubscribe(&self) -> Result<(), AmqpError> {
        let subscriptions = std::mem::take(&mut *self.subscriptions.lock());
        for (tag, reading) in subscriptions {
            let tag = short("consumer", &tag)?;
            let cancelled = self
                .channel
                .basic_cancel(tag, BasicCancelOptions::default());
            ask("stop sending messages", cancelled).await?;
            drop(tokio::time::timeout(LAST_ARRIVALS, reading).await);
        }
        Ok(())
    }

    pub(super) async fn ack(&self, number: u64) -> Result<(), AmqpError> {
        let acked = self.channel.basic_ack(number, BasicAckOptions::default());
        ask("take an acknowledgement", acked).await
    }

    pub(super) async fn give_back(&self, number: u64) -> Result<(), AmqpError> {
        let options = BasicNackOptions {
            multiple: false,
            requeue: true,
        };
        ask(
            "take a message back",
            self.channel.basic_nack(number, options),
        )
        .await
    }
}
