//! Messages of our own, in the form that Celery 5.7 gives them.

use std::sync::LazyLock;
use std::time::Duration;

use jiff::Timestamp;
use kiuas_common::telemetry::TraceContext;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::body::{Body, Embed};
use super::envelope::{DeliveryInfo, Envelope, Headers, Properties};
use super::{MessageError, TaskId, iso, parse, repr};

/// Highest number of priority, served last.
const LAST_PRIORITY: u8 = 9;

/// A message that is ready for its queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// The task's id.
    pub id: TaskId,
    /// Where it goes.
    pub queue: String,
    /// 0 (first) to 9 (last).
    pub priority: u8,
    /// The envelope as text.
    pub text: String,
}

/// Everything that a new message says.
#[derive(Debug, Clone, Default)]
pub(crate) struct Draft {
    pub(crate) id: Option<TaskId>,
    pub(crate) task: String,
    pub(crate) args: Vec<Value>,
    pub(crate) kwargs: Map<String, Value>,
    pub(crate) embed: Embed,
    pub(crate) queue: String,
    pub(crate) priority: u8,
    pub(crate) eta: Option<Timestamp>,
    pub(crate) expires: Option<Timestamp>,
    pub(crate) soft_time_limit: Option<Duration>,
    pub(crate) hard_time_limit: Option<Duration>,
    pub(crate) ignore_result: bool,
    pub(crate) root_id: Option<String>,
    pub(crate) parent_id: Option<String>,
    pub(crate) group: Option<String>,
    pub(crate) group_index: Option<u64>,
    pub(crate) reply_to: Option<String>,
    pub(crate) trace: Option<TraceContext>,
}

impl Draft {
    /// Writes the message.
    pub(crate) fn finish(self) -> Result<Outgoing, MessageError> {
        let id = self.id.clone().unwrap_or_else(TaskId::random);
        let priority = self.priority.min(LAST_PRIORITY);
        let queue = self.queue.clone();
        let headers = self.headers(&id);
        let properties = self.properties(&id, priority);
        let body = parse::encode(&Body(self.args, self.kwargs, self.embed))?;
        let envelope = Envelope {
            body,
            content_encoding: Some("utf-8".to_owned()),
            content_type: Some("application/json".to_owned()),
            headers,
            properties,
            rest: Map::new(),
        };
        let text = envelope.to_text()?;
        if text.len() > super::LONGEST_MESSAGE {
            return Err(MessageError::TooLong { length: text.len() });
        }
        Ok(Outgoing {
            id,
            queue,
            priority,
            text,
        })
    }

    fn headers(&self, id: &TaskId) -> Headers {
        let seconds = |limit: Option<Duration>| limit.map(|limit| limit.as_secs_f64());
        let rest = json!({
            "shadow": null,
            "group_index": self.group_index,
            "argsrepr": repr::arguments(&self.args),
            "kwargsrepr": repr::keywords(&self.kwargs),
            "replaced_task_nesting": 0,
            "stamped_headers": null,
            "stamps": {},
        });
        Headers {
            lang: Some("rs".to_owned()),
            task: self.task.clone(),
            id: id.to_string(),
            eta: self.eta.map(iso),
            expires: self.expires.map(iso),
            retries: Some(0),
            timelimit: Some([seconds(self.hard_time_limit), seconds(self.soft_time_limit)]),
            group: self.group.clone(),
            root_id: Some(self.root_id.clone().unwrap_or_else(|| id.to_string())),
            parent_id: self.parent_id.clone(),
            origin: Some(ORIGIN.clone()),
            ignore_result: Some(self.ignore_result),
            traceparent: self.trace.as_ref().map(|trace| trace.traceparent.clone()),
            tracestate: self
                .trace
                .as_ref()
                .and_then(|trace| trace.tracestate.clone()),
            rest: match rest {
                Value::Object(map) => map,
                _ => Map::new(),
            },
            ..Headers::default()
        }
    }

    fn properties(&self, id: &TaskId, priority: u8) -> Properties {
        let mut rest = Map::new();
        if let Some(expires) = self.expires {
            let left = expires.duration_since(Timestamp::now()).as_secs().max(0);
            rest.insert(
                "expiration".to_owned(),
                Value::from((left * 1000).to_string()),
            );
        }
        Properties {
            correlation_id: Some(id.to_string()),
            reply_to: Some(self.reply_to.clone().unwrap_or_default()),
            delivery_mode: Some(2),
            delivery_info: DeliveryInfo {
                exchange: Some(String::new()),
                routing_key: Some(self.queue.clone()),
                ..DeliveryInfo::default()
            },
            priority: Some(priority),
            body_encoding: Some("base64".to_owned()),
            delivery_tag: Some(Uuid::new_v4().to_string()),
            rest,
        }
    }
}

impl Envelope {
    /// The same task as a new message to `queue` that is due at `eta`: same id and body, one try more.
    ///
    /// # Errors
    /// It cannot be written as JSON.
    pub fn retried(&self, queue: &str, eta: Timestamp) -> Result<Outgoing, MessageError> {
        let mut next = self.clone();
        let headers = &mut next.headers;
        headers.retries = Some(self.retries().saturating_add(1));
        headers.eta = Some(iso(eta));
        headers.parent_id = Some(headers.id.clone());
        // A new message: what happened to the old one is not its history.
        headers.redelivered = None;
        headers.deliveries = None;
        next.properties.delivery_info.redelivered = None;
        next.properties.delivery_tag = Some(Uuid::new_v4().to_string());
        Ok(Outgoing {
            id: TaskId::from(next.headers.id.clone()),
            queue: queue.to_owned(),
            priority: next.priority(),
            text: next.to_text()?,
        })
    }
}

/// `gen<pid>@<host>`, as Celery names a producing process.
static ORIGIN: LazyLock<String> =
    LazyLock::new(|| format!("gen{}@{}", std::process::id(), hostname()));

/// This machine's name, of harmless characters alone.
pub fn hostname() -> String {
    let name = rustix::system::uname();
    let name: String = name
        .nodename()
        .to_string_lossy()
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.'))
        .take(64)
        .collect();
    if name.is_empty() {
        "localhost".to_owned()
    } else {
        name
    }
}
