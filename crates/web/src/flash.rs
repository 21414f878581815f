//! Flash messages: a sentence for the next page that the visitor sees, kept in the session.

use std::fmt;

use actix_session::{Session, SessionGetError, SessionInsertError};
use serde::{Deserialize, Serialize};

const KEY: &str = "flash";
/// More than anybody reads; the oldest go first.
const MOST: usize = 8;

/// What kind of sentence it is; also the CSS class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Neutral.
    Info,
    /// It worked.
    Success,
    /// It did not.
    Error,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Info => "info",
            Self::Success => "success",
            Self::Error => "error",
        })
    }
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flash {
    /// Its kind.
    pub level: Level,
    /// The sentence, plain text.
    pub text: String,
}

/// Keeps a message for the next page.
///
/// # Errors
/// The messages kept so far cannot be written.
pub fn push(
    session: &Session,
    level: Level,
    text: impl Into<String>,
) -> Result<(), SessionInsertError> {
    // What cannot be read is from another version of the application: begin anew.
    let mut messages: Vec<Flash> = session.get(KEY).ok().flatten().unwrap_or_default();
    messages.push(Flash {
        level,
        text: text.into(),
    });
    let surplus = messages.len().saturating_sub(MOST);
    messages.drain(..surplus);
    session.insert(KEY, messages)
}

/// Takes the messages out, oldest first; call it where a page is rendered.
///
/// # Errors
/// What the session holds are no messages.
pub fn take(session: &Session) -> Result<Vec<Flash>, SessionGetError> {
    let messages = session.get(KEY)?.unwrap_or_default();
    session.remove(KEY);
    Ok(messages)
}
