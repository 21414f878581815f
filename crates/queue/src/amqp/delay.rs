//! Messages that wait in the server: Celery's native delayed delivery.
//!
//! Twenty-eight pairs of an exchange and a queue, one for each binary digit of the seconds. A message
//! waits in the queue of each digit that is one, and is dead-lettered to the next.

use std::time::Duration;

use futures_util::future::try_join_all;
use jiff::Timestamp;
use lapin::options::{
    ExchangeBindOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{Channel, ExchangeKind};

use super::AmqpError;
use super::link::ask;
use super::settings::QueueType;
use super::table::short;
use super::wire::Publication;

/// Digits of the seconds: about eight and a half years.
const LEVELS: u32 = 28;
const DELIVERY: &str = "celery_delayed_delivery";

/// `message`, to arrive `pause` from now, to the second below; it can wait no longer than the digits
/// reach, and is put off again then.
pub(super) fn delayed(mut message: Publication, pause: Duration) -> Publication {
    let seconds = pause.as_secs().min((1 << LEVELS) - 1);
    if seconds > 0 {
        let digits: Vec<_> = (0..LEVELS)
            .rev()
            .map(|level| if seconds >> level & 1 == 1 { "1" } else { "0" })
            .collect();
        message.exchange = name(LEVELS - 1);
        message.routing_key = format!("{}.{}", digits.join("."), message.routing_key);
    }
    message
}

/// How long until `eta`, if that is a second or more.
pub(super) fn pause(eta: Option<Timestamp>) -> Option<Duration> {
    let left = eta?.duration_since(Timestamp::now());
    let left = Duration::try_from(left).ok()?;
    (left >= Duration::from_secs(1)).then_some(left)
}

/// Makes the exchanges and queues of all levels, as Celery makes them.
pub(super) async fn declare(channel: &Channel, kind: QueueType) -> Result<(), AmqpError> {
    let levels = 0..LEVELS;
    let exchanges = levels.clone().map(name).chain([DELIVERY.to_owned()]);
    try_join_all(exchanges.map(|name| exchange(channel, name))).await?;
    try_join_all(levels.clone().map(|level| queue(channel, level, kind))).await?;
    try_join_all(levels.map(|level| bindings(channel, level))).await?;
    Ok(())
}

/// Lets what has waited reach `queue`, whatever kind of exchange it has.
pub(super) async fn bind(channel: &Channel, queue: &str) -> Result<(), AmqpError> {
    let bound = channel.queue_bind(
        short("queue", queue)?,
        DELIVERY.into(),
        short("binding", &format!("#.{queue}"))?,
        QueueBindOptions::default(),
        FieldTable::default(),
    );
    ask("bind a queue for delayed messages", bound).await?;
    drop(channel.close(200, "done".into()).await);
    Ok(())
}

fn name(level: u32) -> String {
    format!("celery_delayed_{level}")
}

fn below(level: u32) -> String {
    level.checked_sub(1).map_or(DELIVERY.to_owned(), name)
}

async fn exchange(channel: &Channel, name: String) -> Result<(), AmqpError> {
    let durable = ExchangeDeclareOptions {
        durable: true,
        ..ExchangeDeclareOptions::default()
    };
    let kind = ExchangeKind::Topic;
    let made = channel.exchange_declare(name.as_str().into(), kind, durable, FieldTable::default());
    ask("make an exchange for delayed messages", made).await
}

async fn queue(channel: &Channel, level: u32, kind: QueueType) -> Result<(), AmqpError> {
    let durable = QueueDeclareOptions {
        durable: true,
        ..QueueDeclareOptions::default()
    };
    let made = channel.queue_declare(name(level).as_str().into(), durable, arguments(level, kind));
    ask("make a queue for delayed messages", made).await?;
    Ok(())
}

fn arguments(level: u32, kind: QueueType) -> FieldTable {
    let text = |text: &str| AMQPValue::LongString(text.into());
    let mut arguments = FieldTable::default();
    let mut set = |name: &str, value| {
        arguments.insert(ShortString::from(name), value);
    };
    match kind {
        QueueType::Classic => set("x-queue-type", text("classic")),
        QueueType::Quorum => {
            set("x-queue-type", text("quorum"));
            set("x-dead-letter-strategy", text("at-least-once"));
        }
    }
    set("x-overflow", text("reject-publish"));
    set("x-message-ttl", AMQPValue::LongLongInt((1 << level) * 1000));
    set("x-dead-letter-exchange", text(&below(level)));
    arguments
}

/// A message whose digit is one waits, one whose digit is nought goes on at once.
async fn bindings(channel: &Channel, level: u32) -> Result<(), AmqpError> {
    let before = "*.".repeat((LEVELS - 1 - level) as usize);
    let (here, options) = (name(level), FieldTable::default());
    let waits = channel.queue_bind(
        here.as_str().into(),
        here.as_str().into(),
        short("binding", &format!("{before}1.#"))?,
        QueueBindOptions::default(),
        options.clone(),
    );
    ask("bind a queue for delayed messages", waits).await?;
    let passes = channel.exchange_bind(
        below(level).as_str().into(),
        here.as_str().into(),
        short("binding", &format!("{before}0.#"))?,
        ExchangeBindOptions::default(),
        options,
    );
    ask("bind an exchange for delayed messages", passes).await
}
