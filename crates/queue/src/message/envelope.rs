//! The envelope: what is in the Redis list.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// One element of a queue's list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Envelope {
    /// The serialised body, base64 if `properties.body_encoding` says so.
    pub body: String,
    /// Character set of the body's bytes: `utf-8`.
    #[serde(rename = "content-encoding", default)]
    pub content_encoding: Option<String>,
    /// Serializer of the body's bytes: `application/json`.
    #[serde(rename = "content-type", default)]
    pub content_type: Option<String>,
    /// About the task.
    pub headers: Headers,
    /// About the message.
    #[serde(default)]
    pub properties: Properties,
    /// What else there is.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// The task headers of protocol v2. Only what we act on has a field; the rest is kept as it came.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Headers {
    /// The producer's language, `py` or `rs`.
    #[serde(default)]
    pub lang: Option<String>,
    /// The task's name.
    pub task: String,
    /// The task's id.
    pub id: String,
    /// Not to be run before: ISO 8601.
    #[serde(default)]
    pub eta: Option<String>,
    /// Not worth running after: ISO 8601.
    #[serde(default)]
    pub expires: Option<String>,
    /// Tries before this one.
    #[serde(default)]
    pub retries: Option<u32>,
    /// `[hard, soft]` in seconds.
    #[serde(default)]
    pub timelimit: Option<[Option<f64>; 2]>,
    /// Id of the group it belongs to.
    #[serde(default)]
    pub group: Option<String>,
    /// First task of the workflow.
    #[serde(default)]
    pub root_id: Option<String>,
    /// The task that sent it.
    #[serde(default)]
    pub parent_id: Option<String>,
    /// The producing process.
    #[serde(default)]
    pub origin: Option<String>,
    /// Store no result.
    #[serde(default)]
    pub ignore_result: Option<bool>,
    /// Compression of the body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compression: Option<String>,
    /// True after a restore from a worker that did not finish it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redelivered: Option<bool>,
    /// How many workers have died with it.
    #[serde(
        rename = "x-kiuas-deliveries",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub deliveries: Option<u32>,
    /// W3C trace context of the producer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// Vendors' part of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tracestate: Option<String>,
    /// Every other header.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// kombu's message properties.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Properties {
    /// The task's id again.
    #[serde(default)]
    pub correlation_id: Option<String>,
    /// Where an `rpc://` result goes.
    #[serde(default)]
    pub reply_to: Option<String>,
    /// 2: persistent.
    #[serde(default)]
    pub delivery_mode: Option<u8>,
    /// Exchange and routing key.
    #[serde(default)]
    pub delivery_info: DeliveryInfo,
    /// 0 (first) to 9 (last).
    #[serde(default)]
    pub priority: Option<u8>,
    /// `base64`.
    #[serde(default)]
    pub body_encoding: Option<String>,
    /// The producer's name for this message.
    #[serde(default)]
    pub delivery_tag: Option<String>,
    /// Every other property.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// Where a message was published to.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct DeliveryInfo {
    /// Empty for the direct way to a queue.
    #[serde(default)]
    pub exchange: Option<String>,
    /// The queue, with an empty exchange.
    #[serde(default)]
    pub routing_key: Option<String>,
    /// As [`Headers::redelivered`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redelivered: Option<bool>,
    /// What else there is.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

impl Envelope {
    /// Tries before this one.
    #[must_use]
    pub fn retries(&self) -> u32 {
        self.headers.retries.unwrap_or(0)
    }

    /// 0 (first) to 9 (last).
    #[must_use]
    pub fn priority(&self) -> u8 {
        self.properties.priority.unwrap_or(0)
    }

    /// True if a worker may have run it before without finishing it.
    #[must_use]
    pub fn is_redelivered(&self) -> bool {
        self.headers.redelivered.unwrap_or(false)
            || self.properties.delivery_info.redelivered.unwrap_or(false)
    }

    /// Marks it as restored, the way kombu does.
    pub fn mark_redelivered(&mut self) {
        self.headers.redelivered = Some(true);
        self.properties.delivery_info.redelivered = Some(true);
    }

    /// The message as text for the queue.
    ///
    /// # Errors
    /// It cannot be written as JSON.
    pub fn to_text(&self) -> Result<String, super::MessageError> {
        serde_json::to_string(self).map_err(super::MessageError::Write)
    }
}
