//! Remote control through RabbitMQ: a fanout exchange and a queue of this worker's own.

use futures_util::StreamExt;
use lapin::options::{
    BasicConsumeOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Consumer, ExchangeKind};
use serde_json::Value;

use super::REQUESTS;
use crate::amqp::{AmqpClient, AmqpError, Arrival, Link, Publication, ask, short};
use crate::error::QueueError;

/// Milliseconds that the queue outlives its connection by.
const EXPIRES: i32 = 10_000;
/// Milliseconds that a request waits to be read.
const REQUEST_TTL: i32 = 300_000;

/// A consumer of the requests, on a connection of its own.
#[derive(Debug)]
pub(crate) struct AmqpMailbox {
    link: Link,
    consumer: Consumer,
}

impl AmqpMailbox {
    pub(crate) async fn open(client: &AmqpClient, node: &str) -> Result<Self, AmqpError> {
        let link = client.dial(&format!("{node} control")).await?;
        let channel = link.channel().await?;
        let none = FieldTable::default;
        let fanout = channel.exchange_declare(
            REQUESTS.into(),
            ExchangeKind::Fanout,
            ExchangeDeclareOptions::default(),
            none(),
        );
        ask("make the exchange of the remote control", fanout).await?;
        let name = short("queue", &format!("{node}.{REQUESTS}"))?;
        let mut arguments = FieldTable::default();
        arguments.insert("x-expires".into(), AMQPValue::LongInt(EXPIRES));
        arguments.insert("x-message-ttl".into(), AMQPValue::LongInt(REQUEST_TTL));
        let own = QueueDeclareOptions {
            exclusive: true,
            auto_delete: true,
            ..QueueDeclareOptions::default()
        };
        let queue = channel.queue_declare(name.clone(), own, arguments);
        ask("make the queue of the remote control", queue).await?;
        let bound = channel.queue_bind(
            name.clone(),
            REQUESTS.into(),
            "".into(),
            QueueBindOptions::default(),
            none(),
        );
        ask("bind the queue of the remote control", bound).await?;
        let options = BasicConsumeOptions {
            no_ack: true,
            ..BasicConsumeOptions::default()
        };
        let consumer = channel.basic_consume(name, "".into(), options, none());
        Ok(Self {
            consumer: ask("send the requests", consumer).await?,
            link,
        })
    }

    pub(super) async fn next(&mut self) -> Result<Vec<u8>, QueueError> {
        match self.consumer.next().await {
            Some(Ok(delivery)) => Ok(Arrival::of(&delivery).raw),
            Some(Err(_)) | None => Err(QueueError::ControlLost),
        }
    }

    pub(super) async fn reply(
        &self,
        exchange: &str,
        routing_key: &str,
        headers: &Value,
        body: &Value,
    ) -> Result<(), QueueError> {
        let reply = Publication::passing(exchange, routing_key, headers, body)?;
        Ok(self.link.publish(&[reply]).await?)
    }
}
