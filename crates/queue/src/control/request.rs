//! A request, as it is read.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};

/// Longest request that is read, in bytes.
const LONGEST: usize = 1 << 20;
/// How much later than it says a request is still heard, in seconds: its clock is another's.
const SKEW: f64 = 5.0;

/// A request of the remote control.
#[derive(Debug, Clone)]
pub struct ControlRequest {
    /// What to do.
    pub method: String,
    /// With what.
    pub arguments: Map<String, Value>,
    /// The sender's Lamport clock.
    pub clock: u64,
    destination: Option<Vec<String>>,
    pattern: Option<String>,
    matcher: Option<String>,
    ticket: Value,
    reply_to: Option<ReplyTo>,
    expires: Option<f64>,
}

#[derive(Debug, Clone, Deserialize)]
struct ReplyTo {
    exchange: String,
    routing_key: String,
}

#[derive(Deserialize)]
struct Outer {
    body: String,
    #[serde(rename = "content-type", default)]
    content_type: Option<String>,
    #[serde(default)]
    headers: Map<String, Value>,
    #[serde(default)]
    properties: Map<String, Value>,
}

#[derive(Deserialize)]
struct Inner {
    method: String,
    #[serde(default)]
    arguments: Option<Map<String, Value>>,
    #[serde(default)]
    destination: Option<Vec<String>>,
    #[serde(default)]
    pattern: Option<String>,
    #[serde(default)]
    matcher: Option<String>,
    #[serde(default)]
    ticket: Value,
    #[serde(default)]
    reply_to: Option<ReplyTo>,
}

impl ControlRequest {
    /// The request in an envelope; `None` if it is none that we read.
    pub(crate) fn read(envelope: &[u8]) -> Option<Self> {
        if envelope.len() > LONGEST {
            return None;
        }
        let outer: Outer = serde_json::from_slice(envelope).ok()?;
        if outer.content_type.as_deref() != Some("application/json") {
            return None;
        }
        let encoding = outer
            .properties
            .get("body_encoding")
            .and_then(Value::as_str);
        let body = match encoding {
            Some("base64") => STANDARD.decode(&outer.body).ok()?,
            _ => outer.body.into_bytes(),
        };
        let inner: Inner = serde_json::from_slice(&body).ok()?;
        Some(Self {
            method: inner.method,
            arguments: inner.arguments.unwrap_or_default(),
            clock: outer
                .headers
                .get("clock")
                .and_then(Value::as_u64)
                .unwrap_or(0),
            destination: inner.destination,
            pattern: inner.pattern,
            matcher: inner.matcher,
            ticket: inner.ticket,
            reply_to: inner.reply_to,
            expires: outer.headers.get("expires").and_then(Value::as_f64),
        })
    }

    /// True if `node` is asked, and not too late.
    pub(crate) fn is_for(&self, node: &str) -> bool {
        #[expect(
            clippy::cast_precision_loss,
            reason = "microseconds of this century fit"
        )]
        let now = Timestamp::now().as_microsecond() as f64 / 1e6;
        if self.expires.is_some_and(|expires| expires + SKEW < now) {
            return false;
        }
        match (&self.destination, &self.pattern) {
            (Some(nodes), None) => nodes.iter().any(|it| it == node),
            (_, Some(pattern)) => match self.matcher.as_deref() {
                None | Some("glob") => matches(pattern.as_bytes(), node.as_bytes()),
                // A pattern in a language of its own: better no answer than a wrong one.
                Some(_) => false,
            },
            (None, None) => true,
        }
    }

    /// An argument as text.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.arguments.get(name)?.as_str()
    }

    /// An argument that is one text or a list of them.
    #[must_use]
    pub fn texts(&self, name: &str) -> Vec<String> {
        match self.arguments.get(name) {
            Some(Value::String(one)) => vec![one.clone()],
            Some(Value::Array(items)) => items
                .iter()
                .filter_map(|item| item.as_str().map(str::to_owned))
                .collect(),
            _ => Vec::new(),
        }
    }

    pub(super) fn ticket(&self) -> &Value {
        &self.ticket
    }

    pub(super) fn reply_to(&self) -> Option<(&str, &str)> {
        let to = self.reply_to.as_ref()?;
        Some((&to.exchange, &to.routing_key))
    }
}

/// A shell's pattern: `*` for anything, `?` for one character. In time linear in both for each `*`.
pub(super) fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p + 1, t));
                p += 1;
            }
            Some(&byte) if byte == b'?' || text.get(t) == Some(&byte) => {
                p += 1;
                t += 1;
            }
            _ => match &mut star {
                Some((after, from)) => {
                    *from += 1;
                    p = *after;
                    t = *from;
                }
                None => return false,
            },
        }
    }
    pattern.iter().skip(p).all(|byte| *byte == b'*')
}
