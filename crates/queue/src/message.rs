//! Celery's message protocol v2, as kombu's Redis transport stores it.
//!
//! Owns the JSON forms and nothing else: no connection, no key. What arrives is hostile until
//! [`Envelope::parse`] and [`Envelope::body`] have read it: both are bounded and return errors, never
//! panic. Unknown headers and properties are kept, so that a message that passes through loses nothing.

mod body;
mod build;
mod envelope;
mod extended;
mod lenient;
mod parse;
mod repr;
mod time;

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use body::{Body, Embed, Signature};
pub(crate) use build::Draft;
pub use build::Outgoing;
pub use build::hostname;
pub use envelope::{DeliveryInfo, Envelope, Headers, Properties};
pub(crate) use extended::plain;
pub(crate) use repr::value as python_repr;
pub use time::{iso, parse_iso};

/// Longest message that is read, in bytes. A longer one is diverted as malformed.
pub const LONGEST_MESSAGE: usize = 16 << 20;
/// Longest task id and task name, in bytes.
const LONGEST_NAME: usize = 1024;

/// The id of a task: a UUID from us and from Celery, any text from others.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TaskId(String);

impl TaskId {
    /// A new random id.
    #[must_use]
    pub fn random() -> Self {
        Self(Uuid::new_v4().to_string())
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for TaskId {
    fn from(id: String) -> Self {
        Self(id)
    }
}

impl From<&str> for TaskId {
    fn from(id: &str) -> Self {
        Self(id.to_owned())
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a message cannot be read or built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MessageError {
    /// Larger than [`LONGEST_MESSAGE`].
    #[error("the message has {length} bytes, more than {LONGEST_MESSAGE}")]
    TooLong {
        /// Its length.
        length: usize,
    },
    /// Not the JSON object that kombu writes.
    #[error("the message is no envelope")]
    Envelope(#[source] serde_json::Error),
    /// Neither protocol v2 (a `task` header) nor v1 (a dictionary as body).
    #[error("the message names no task")]
    NoTask,
    /// A name or an id is empty or too long.
    #[error("the message's `{field}` is empty or longer than {LONGEST_NAME} bytes")]
    Name {
        /// Which.
        field: &'static str,
    },
    /// A serializer or compression that we do not take (pickle would run code).
    #[error("refusing content of type `{0}`")]
    ContentDisallowed(String),
    /// The base64 around the body is none.
    #[error("the message's body is no base64")]
    Base64(#[source] base64::DecodeError),
    /// The body is not `[args, kwargs, embed]`.
    #[error("the message's body is not a task's arguments")]
    Body(#[source] serde_json::Error),
    /// A message could not be written.
    #[error("cannot write the message as JSON")]
    Write(#[source] serde_json::Error),
}

#[cfg(test)]
mod tests;
