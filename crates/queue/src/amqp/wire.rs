//! Messages: kombu's envelope, as outbox and worker know it, to AMQP's form and back.
//!
//! AMQP serves the highest priority first, we and Celery on Redis the lowest: the numbers are turned
//! round on the way, so that 0 is first everywhere.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use lapin::BasicProperties;
use lapin::message::Delivery;
use serde_json::{Map, Value, json};

use super::AmqpError;
use super::table::{short, to_map, to_table};
use crate::message::parse_iso;
use crate::result::ResultMeta;

/// Highest number of priority.
const LAST_PRIORITY: u8 = 9;
/// Longest headers: they have to fit one frame, which the server allows 128 KiB.
const LONGEST_HEADERS: usize = 100 << 10;
/// What RabbitMQ itself writes on a message that has waited or come back; not the task's.
const HISTORY: [&str; 8] = [
    "x-death",
    "x-first-death-exchange",
    "x-first-death-queue",
    "x-first-death-reason",
    "x-last-death-exchange",
    "x-last-death-queue",
    "x-last-death-reason",
    "x-acquired-count",
];
/// How often RabbitMQ has delivered a message of a quorum queue in vain.
const DELIVERY_COUNT: &str = "x-delivery-count";

/// A message to be published.
#[derive(Debug, Clone)]
pub(crate) struct Publication {
    pub(super) exchange: String,
    pub(super) routing_key: String,
    pub(super) properties: BasicProperties,
    pub(super) body: Vec<u8>,
    /// Not to be run before.
    pub(super) eta: Option<Timestamp>,
    /// It is an error if no queue takes it.
    pub(super) mandatory: bool,
}

impl Publication {
    /// The message in `text` for `queue`. What is no envelope travels as it is: a worker will put it
    /// aside, where it can be looked at.
    pub(super) fn of(queue: &str, text: &[u8]) -> Result<Self, AmqpError> {
        let read = serde_json::from_slice::<Value>(text).ok();
        let (properties, body, eta) = match read.and_then(|value| parts(&value)) {
            Some((properties, headers, body)) => {
                let eta = headers.get("eta").and_then(Value::as_str);
                let eta = eta.and_then(parse_iso);
                (
                    properties.with_headers(to_table(&bounded(headers)?)?),
                    body,
                    eta,
                )
            }
            None => (persistent("application/octet-stream")?, text.to_vec(), None),
        };
        Ok(Self {
            exchange: String::new(),
            routing_key: queue.to_owned(),
            properties,
            body,
            eta,
            mandatory: true,
        })
    }

    /// The result of a task for whoever sent it with `rpc://`: nobody's fault if he is gone.
    pub(super) fn result(reply_to: &str, meta: &ResultMeta) -> Result<Self, AmqpError> {
        let properties = BasicProperties::default()
            .with_delivery_mode(1)
            .with_content_type("application/json".into())
            .with_content_encoding("utf-8".into())
            .with_correlation_id(short("correlation_id", meta.task_id.as_str())?);
        Ok(Self {
            exchange: String::new(),
            routing_key: reply_to.to_owned(),
            properties,
            body: serde_json::to_vec(meta).unwrap_or_default(),
            eta: None,
            mandatory: false,
        })
    }

    /// Something for whoever listens now: not stored, and nobody's fault if nobody does.
    pub(crate) fn passing(
        exchange: &str,
        routing_key: &str,
        headers: &Value,
        body: &Value,
    ) -> Result<Self, AmqpError> {
        let headers = headers.as_object().cloned().unwrap_or_default();
        let properties = BasicProperties::default()
            .with_delivery_mode(1)
            .with_content_type("application/json".into())
            .with_content_encoding("utf-8".into())
            .with_headers(to_table(&headers)?);
        Ok(Self {
            exchange: exchange.to_owned(),
            routing_key: routing_key.to_owned(),
            properties,
            body: body.to_string().into_bytes(),
            eta: None,
            mandatory: false,
        })
    }

    /// The same with another priority, 0 (first) to 9 (last).
    pub(super) fn with_priority(mut self, priority: u8) -> Self {
        self.properties = self.properties.with_priority(turned(priority));
        self
    }

    /// The same with one header more.
    pub(super) fn with_header(mut self, name: &str, value: &Value) -> Result<Self, AmqpError> {
        let mut headers = self
            .properties
            .headers()
            .as_ref()
            .map(to_map)
            .unwrap_or_default();
        headers.insert(name.to_owned(), value.clone());
        self.properties = self.properties.with_headers(to_table(&headers)?);
        Ok(self)
    }
}

fn bounded(headers: Map<String, Value>) -> Result<Map<String, Value>, AmqpError> {
    // JSON's form is longer than the table's.
    let length = serde_json::to_string(&headers).map_or(0, |text| text.len());
    if length > LONGEST_HEADERS {
        return Err(AmqpError::Headers {
            length,
            limit: LONGEST_HEADERS,
        });
    }
    Ok(headers)
}

fn persistent(content_type: &str) -> Result<BasicProperties, AmqpError> {
    Ok(BasicProperties::default()
        .with_delivery_mode(2)
        .with_content_type(short("content-type", content_type)?))
}

/// Properties, headers and body of an envelope; `None` if it is none.
fn parts(envelope: &Value) -> Option<(BasicProperties, Map<String, Value>, Vec<u8>)> {
    let text =
        |value: &Value, name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    let empty = Value::Null;
    let properties = envelope.get("properties").unwrap_or(&empty);
    let body = envelope.get("body")?.as_str()?;
    let body = match text(properties, "body_encoding").as_deref() {
        Some("base64") => STANDARD.decode(body).ok()?,
        Some(_) => return None,
        None => body.as_bytes().to_vec(),
    };
    let content_type = text(envelope, "content-type").unwrap_or_default();
    let mut out = persistent(&content_type).ok()?;
    if let Some(encoding) = text(envelope, "content-encoding") {
        out = out.with_content_encoding(short("content-encoding", &encoding).ok()?);
    }
    if let Some(id) = text(properties, "correlation_id") {
        out = out.with_correlation_id(short("correlation_id", &id).ok()?);
    }
    if let Some(reply_to) = text(properties, "reply_to").filter(|it| !it.is_empty()) {
        out = out.with_reply_to(short("reply_to", &reply_to).ok()?);
    }
    let priority = properties
        .get("priority")
        .and_then(Value::as_u64)
        .unwrap_or(0);
    out = out.with_priority(turned(u8::try_from(priority).unwrap_or(u8::MAX)));
    // No `expiration`: RabbitMQ would drop the message silently, and nobody would ever store its end.
    let headers = envelope.get("headers")?.as_object()?.clone();
    Some((out, headers, body))
}

fn turned(priority: u8) -> u8 {
    LAST_PRIORITY - priority.min(LAST_PRIORITY)
}

/// What came, as an envelope.
pub(crate) struct Arrival {
    pub(crate) raw: Vec<u8>,
    pub(super) priority: u8,
    /// Where an `rpc://` producer expects results.
    pub(super) reply_to: Option<String>,
    /// Set if it was delivered before: how often in vain, where the queue counts that.
    pub(super) redelivered: Option<Option<u32>>,
}

impl Arrival {
    /// The envelope of `delivery`.
    pub(crate) fn of(delivery: &Delivery) -> Self {
        let properties = &delivery.properties;
        let mut headers = properties
            .headers()
            .as_ref()
            .map(to_map)
            .unwrap_or_default();
        let count = headers
            .remove(DELIVERY_COUNT)
            .and_then(|count| count.as_u64());
        let count = count.and_then(|count| u32::try_from(count).ok());
        for name in HISTORY {
            headers.remove(name);
        }
        let priority = turned(properties.priority().unwrap_or(0));
        let text = |it: &Option<lapin::types::ShortString>| it.as_ref().map(ToString::to_string);
        let envelope = json!({
            "body": STANDARD.encode(&delivery.data),
            "content-encoding": text(properties.content_encoding()),
            "content-type": text(properties.content_type()),
            "headers": headers,
            "properties": {
                "correlation_id": text(properties.correlation_id()),
                "reply_to": text(properties.reply_to()),
                "delivery_mode": properties.delivery_mode(),
                "delivery_info": {
                    "exchange": delivery.exchange.as_str(),
                    "routing_key": delivery.routing_key.as_str(),
                },
                "priority": priority,
                "body_encoding": "base64",
                "delivery_tag": null,
            },
        });
        Self {
            raw: envelope.to_string().into_bytes(),
            priority,
            reply_to: text(properties.reply_to()),
            redelivered: delivery.redelivered.then_some(count),
        }
    }
}

#[cfg(test)]
mod tests;
