//! One connection, with a channel on which everything that is published is confirmed.

use std::collections::HashSet;
use std::future::Future;
use std::time::Duration;

use lapin::options::{
    BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions, QueueBindOptions,
    QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, Confirmation, Connection, ExchangeKind, PublisherConfirm};
use parking_lot::Mutex;
use tokio::sync::{OnceCell, Semaphore};

use super::dial::Dialer;
use super::settings::{AmqpSettings, QueueType};
use super::table::short;
use super::wire::Publication;
use super::{AmqpError, delay};
use crate::poison::MOST_LETTERS;

/// Longest wait for an answer or a confirmation.
const DEADLINE: Duration = Duration::from_secs(10);
/// Most messages under way to the server without its confirmation.
const WINDOW: u32 = 256;

/// A connection and its publishing channel.
#[derive(Debug)]
pub(crate) struct Link {
    pub(super) connection: Connection,
    channel: Channel,
    settings: AmqpSettings,
    /// Queues that are there for certain.
    known: Mutex<HashSet<String>>,
    /// Queues that delayed messages reach.
    delayed: Mutex<HashSet<String>>,
    /// Exchanges that are there for certain.
    exchanges: Mutex<HashSet<String>>,
    delays: OnceCell<()>,
    window: Semaphore,
}

impl Link {
    pub(super) async fn open(dialer: &Dialer, name: &str) -> Result<Self, AmqpError> {
        let connection = dialer.dial(name).await?;
        let channel = ask("open a channel", connection.create_channel()).await?;
        let confirms = channel.confirm_select(ConfirmSelectOptions::default());
        ask("confirm what we publish", confirms).await?;
        Ok(Self {
            connection,
            channel,
            settings: dialer.settings.clone(),
            known: Mutex::default(),
            delayed: Mutex::default(),
            exchanges: Mutex::default(),
            delays: OnceCell::new(),
            window: Semaphore::new(WINDOW as usize),
        })
    }

    /// True until the connection, or the channel that publishes, has ended.
    pub(super) fn is_alive(&self) -> bool {
        self.connection.status().connected() && self.channel.status().connected()
    }

    /// Publishes messages in order. `Ok` when the server has all of them in queues.
    pub(crate) async fn publish(&self, messages: &[Publication]) -> Result<(), AmqpError> {
        for batch in messages.chunks(WINDOW as usize) {
            let count = u32::try_from(batch.len()).unwrap_or(WINDOW);
            // Never closed: the result is a permit.
            let _room = self.window.acquire_many(count).await;
            let mut confirms = Vec::with_capacity(batch.len());
            for message in batch {
                confirms.push((self.send(message).await?, &message.routing_key));
            }
            for (confirm, queue) in confirms {
                let confirmed = ask("confirm a message", confirm).await?;
                self.judge(confirmed, queue)?;
            }
        }
        Ok(())
    }

    async fn send(&self, message: &Publication) -> Result<PublisherConfirm, AmqpError> {
        let options = BasicPublishOptions {
            mandatory: message.mandatory,
            immediate: false,
        };
        let publishing = self.channel.basic_publish(
            short("exchange", &message.exchange)?,
            short("queue", &message.routing_key)?,
            options,
            &message.body,
            message.properties.clone(),
        );
        ask("take a message", publishing).await
    }

    fn judge(&self, confirmed: Confirmation, queue: &str) -> Result<(), AmqpError> {
        let returned = match confirmed {
            Confirmation::Ack(None) | Confirmation::NotRequested => return Ok(()),
            Confirmation::Nack(None) => {
                let queue = queue.to_owned();
                return Err(AmqpError::Nacked { queue });
            }
            Confirmation::Ack(Some(returned)) | Confirmation::Nack(Some(returned)) => returned,
        };
        // The queue was deleted behind our back: make it anew the next time.
        self.known.lock().clear();
        self.delayed.lock().clear();
        Err(AmqpError::Returned {
            queue: queue.to_owned(),
            text: returned.reply_text.to_string(),
        })
    }

    /// Makes sure that `queue` exists. One that exists is used as it is.
    pub(super) async fn ensure_queue(&self, queue: &str) -> Result<(), AmqpError> {
        self.ensure(queue, self.task_queue_arguments()).await
    }

    /// Makes sure that `queue`, for what nobody consumes, exists: it keeps the newest.
    pub(super) async fn ensure_letters(&self, queue: &str) -> Result<(), AmqpError> {
        let most = i64::try_from(MOST_LETTERS).unwrap_or(i64::MAX);
        let mut arguments = FieldTable::default();
        arguments.insert(
            short("argument", "x-max-length")?,
            AMQPValue::LongLongInt(most),
        );
        self.ensure(queue, arguments).await
    }

    async fn ensure(&self, queue: &str, arguments: FieldTable) -> Result<(), AmqpError> {
        if self.known.lock().contains(queue) {
            return Ok(());
        }
        let name = short("queue", queue)?;
        let channel = self.channel().await?;
        let passive = QueueDeclareOptions {
            passive: true,
            ..QueueDeclareOptions::default()
        };
        let found = channel.queue_declare(name.clone(), passive, FieldTable::default());
        match ask("look for a queue", found).await {
            Ok(_) => drop(channel.close(200, short("reply", "done")?).await),
            // A look in vain has ended its channel.
            Err(AmqpError::Refused { source, .. }) if source.is_amqp_soft_error() => {
                self.create(queue, arguments).await?;
            }
            Err(error) => return Err(error),
        }
        self.known.lock().insert(queue.to_owned());
        Ok(())
    }

    /// Makes sure that the exchange `name` exists.
    pub(super) async fn ensure_exchange(
        &self,
        name: &str,
        kind: ExchangeKind,
        durable: bool,
    ) -> Result<(), AmqpError> {
        if self.exchanges.lock().contains(name) {
            return Ok(());
        }
        let channel = self.channel().await?;
        let options = ExchangeDeclareOptions {
            durable,
            ..ExchangeDeclareOptions::default()
        };
        let exchange = short("exchange", name)?;
        let made = channel.exchange_declare(exchange, kind, options, FieldTable::default());
        ask("make an exchange", made).await?;
        drop(channel.close(200, short("reply", "done")?).await);
        self.exchanges.lock().insert(name.to_owned());
        Ok(())
    }

    /// A queue with the exchange that Celery gives it: of the same name, and `topic` for quorum queues.
    async fn create(&self, queue: &str, arguments: FieldTable) -> Result<(), AmqpError> {
        let channel = self.channel().await?;
        let name = short("queue", queue)?;
        let durable = QueueDeclareOptions {
            durable: true,
            ..QueueDeclareOptions::default()
        };
        let made = channel.queue_declare(name.clone(), durable, arguments);
        ask("make a queue", made).await?;
        let durable = ExchangeDeclareOptions {
            durable: true,
            ..ExchangeDeclareOptions::default()
        };
        let kind = match self.settings.queue_type {
            QueueType::Classic => ExchangeKind::Direct,
            QueueType::Quorum => ExchangeKind::Topic,
        };
        let exchange = channel.exchange_declare(name.clone(), kind, durable, FieldTable::default());
        ask("make an exchange", exchange).await?;
        let bound = channel.queue_bind(
            name.clone(),
            name.clone(),
            name,
            QueueBindOptions::default(),
            FieldTable::default(),
        );
        ask("bind a queue", bound).await?;
        drop(channel.close(200, short("reply", "done")?).await);
        Ok(())
    }

    fn task_queue_arguments(&self) -> FieldTable {
        let mut arguments = FieldTable::default();
        if self.settings.queue_type == QueueType::Quorum {
            arguments.insert(
                "x-queue-type".into(),
                AMQPValue::LongString("quorum".into()),
            );
        }
        if self.settings.max_priority > 0 {
            let most = AMQPValue::LongInt(self.settings.max_priority.into());
            arguments.insert("x-max-priority".into(), most);
        }
        arguments
    }

    /// Makes sure that messages can wait in the server on their way to `queue`.
    pub(super) async fn ensure_delay(&self, queue: &str) -> Result<(), AmqpError> {
        if self.delayed.lock().contains(queue) {
            return Ok(());
        }
        self.ensure_queue(queue).await?;
        let kind = self.settings.delay_queue_type;
        self.delays
            .get_or_try_init(async || delay::declare(&self.channel().await?, kind).await)
            .await?;
        delay::bind(&self.channel().await?, queue).await?;
        self.delayed.lock().insert(queue.to_owned());
        Ok(())
    }

    /// A channel for something short.
    pub(crate) async fn channel(&self) -> Result<Channel, AmqpError> {
        ask("open a channel", self.connection.create_channel()).await
    }
}

/// Waits for an answer, not for ever.
pub(crate) async fn ask<T>(
    action: &'static str,
    answer: impl Future<Output = lapin::Result<T>>,
) -> Result<T, AmqpError> {
    match tokio::time::timeout(DEADLINE, answer).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(source)) => Err(AmqpError::Refused { action, source }),
        Err(_) => Err(AmqpError::Silent {
            action,
            waited: DEADLINE,
        }),
    }
}
