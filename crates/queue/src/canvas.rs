//! Workflows: chains, groups, chords and maps, as Celery writes them.
//!
//! A workflow is a [`Signature`]; carrying one out is a [`Plan`]: the messages to send now, and what must
//! be known of the chords among them before the first of their members ends. Whoever takes a message up,
//! Python or Rust, carries out the rest, which travels in it.

mod carry;
mod chord;
mod failure;
mod freeze;
mod signature;

use serde_json::Value;

use crate::error::QueueError;
use crate::message::{LONGEST_MESSAGE, Outgoing, TaskId};

pub use carry::Carrier;
pub(crate) use chord::join;
pub use chord::{ChordPart, ChordStep, Counted};
pub use failure::{Fallout, fall_out};
pub(crate) use freeze::leaves;
pub use freeze::{freeze, outcome};

/// Most bytes of the messages of one plan: each member of a chord carries the chord's body.
const MOST_BYTES: usize = 4 * LONGEST_MESSAGE;

/// What carrying out a workflow comes to, now.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// Messages to send, in order.
    pub messages: Vec<Outgoing>,
    /// What must be known before the messages are sent.
    pub chords: Vec<ChordStep>,
    /// What was sent, as Celery's results name it: `[[id, null], null]`.
    pub children: Vec<Value>,
    bytes: usize,
}

impl Plan {
    fn push(&mut self, message: Outgoing) -> Result<(), QueueError> {
        self.bytes += message.text.len();
        if self.bytes > MOST_BYTES {
            return Err(QueueError::Canvas {
                problem: format!("its messages have more than {MOST_BYTES} bytes"),
            });
        }
        self.messages.push(message);
        Ok(())
    }
}

/// A workflow that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// The task whose end is the end of the workflow: the last of a chain, the body of a chord. For a
    /// group, the group's id, which has no result.
    pub id: TaskId,
    /// The tasks that all have to end: one, or the members of a group in their order.
    pub members: Vec<TaskId>,
}

#[cfg(test)]
mod tests;
