//! Polls: what they are, their forms and pages.

pub(crate) mod form;
pub(crate) mod handlers;
pub(crate) mod store;
pub(crate) mod tasks;

use jiff::Timestamp;
use uuid::Uuid;

/// A poll as lists and its page show it.
#[derive(Debug, Clone)]
pub(crate) struct Poll {
    pub(crate) id: Uuid,
    pub(crate) author_id: Uuid,
    /// The author's name.
    pub(crate) author: String,
    pub(crate) question: String,
    pub(crate) closes_at: Option<Timestamp>,
    pub(crate) closed_at: Option<Timestamp>,
    /// As last tallied.
    pub(crate) votes: i64,
}

/// One answer to choose.
#[derive(Debug, Clone)]
pub(crate) struct Choice {
    pub(crate) id: Uuid,
    pub(crate) label: String,
}

impl Poll {
    pub(crate) fn is_closed(&self) -> bool {
        self.closed_at.is_some()
    }
}
