//! A call of a task: what is sent, before it is a message.

use std::time::Duration;

use jiff::Timestamp;
use kiuas_common::telemetry::TraceContext;
use serde_json::{Map, Value};

use crate::error::QueueError;
use crate::message::{Draft, Embed, Outgoing, Signature, TaskId};
use crate::task::Task;

/// A task's name and arguments, and how to send them.
#[derive(Debug, Clone)]
pub struct Call {
    /// The task's name.
    pub name: String,
    /// Positional arguments.
    pub args: Vec<Value>,
    /// Keyword arguments.
    pub kwargs: Map<String, Value>,
    /// How to send it.
    pub options: SendOptions,
}

/// How a call is sent. Everything absent is the task's or Celery's default.
#[derive(Debug, Clone, Default)]
pub struct SendOptions {
    /// The id to use; absent: a new one.
    pub id: Option<TaskId>,
    /// The queue; absent: `queue.default_queue`.
    pub queue: Option<String>,
    /// 0 (first) to 9 (last).
    pub priority: u8,
    /// Not before.
    pub eta: Option<Timestamp>,
    /// Not after.
    pub expires: Option<Timestamp>,
    /// See [`crate::TaskOptions::soft_time_limit`].
    pub soft_time_limit: Option<Duration>,
    /// See [`crate::TaskOptions::hard_time_limit`].
    pub hard_time_limit: Option<Duration>,
    /// Store no result.
    pub ignore_result: bool,
    /// Sent with the result when it succeeds.
    pub link: Vec<Signature>,
    /// Sent with the task's id when it fails.
    pub link_error: Vec<Signature>,
    /// What runs after it, in order.
    pub chain: Vec<Signature>,
    /// First task of the workflow; absent: itself.
    pub root_id: Option<String>,
    /// The task that sends it.
    pub parent_id: Option<String>,
    /// The group it belongs to.
    pub group: Option<String>,
    /// Its place in the group.
    pub group_index: Option<u64>,
    /// The body of the chord that it is part of, a [`Signature`].
    pub chord: Option<Value>,
    /// Where an `rpc://` producer expects the result.
    pub reply_to: Option<String>,
}

impl Call {
    /// A call by name, for tasks that live elsewhere.
    #[must_use]
    pub fn new(name: &str, args: Vec<Value>, kwargs: Map<String, Value>) -> Self {
        Self {
            name: name.to_owned(),
            args,
            kwargs,
            options: SendOptions::default(),
        }
    }

    /// A call of `task` with its own options.
    ///
    /// # Errors
    /// [`QueueError::Arguments`] if its fields cannot be JSON.
    pub fn of<S, T: Task<S>>(task: &T) -> Result<Self, QueueError> {
        let value = serde_json::to_value(task).map_err(|source| QueueError::Arguments {
            task: T::NAME.to_owned(),
            source,
        })?;
        let (args, kwargs) = match value {
            Value::Null => (Vec::new(), Map::new()),
            Value::Object(map) => (Vec::new(), map),
            Value::Array(items) => (items, Map::new()),
            other => (vec![other], Map::new()),
        };
        let mut call = Self::new(T::NAME, args, kwargs);
        let options = T::options();
        call.options = SendOptions {
            queue: options.queue.map(str::to_owned),
            priority: options.priority,
            expires: options.expires.and_then(from_now),
            soft_time_limit: options.soft_time_limit,
            hard_time_limit: options.hard_time_limit,
            ignore_result: options.ignore_result,
            ..SendOptions::default()
        };
        Ok(call)
    }

    /// Sends it to `queue`.
    #[must_use]
    pub fn to_queue(mut self, queue: &str) -> Self {
        self.options.queue = Some(queue.to_owned());
        self
    }

    /// Runs it `pause` from now, not earlier.
    #[must_use]
    pub fn after(mut self, pause: Duration) -> Self {
        self.options.eta = from_now(pause);
        self
    }

    /// Serves it with `priority`, 0 (first) to 9 (last).
    #[must_use]
    pub fn with_priority(mut self, priority: u8) -> Self {
        self.options.priority = priority;
        self
    }

    /// Gives it a known id.
    #[must_use]
    pub fn with_id(mut self, id: TaskId) -> Self {
        self.options.id = Some(id);
        self
    }

    /// Writes the message.
    pub(crate) fn message(
        self,
        default_queue: &str,
        trace: Option<TraceContext>,
    ) -> Result<Outgoing, QueueError> {
        let some = |list: Vec<Signature>| (!list.is_empty()).then_some(list);
        let options = self.options;
        // On the wire the chain is written last first.
        let chain: Vec<_> = options.chain.into_iter().rev().collect();
        let draft = Draft {
            id: options.id,
            task: self.name,
            args: self.args,
            kwargs: self.kwargs,
            embed: Embed {
                callbacks: some(options.link),
                errbacks: some(options.link_error),
                chain: some(chain),
                chord: options.chord,
                ..Embed::default()
            },
            queue: options.queue.unwrap_or_else(|| default_queue.to_owned()),
            priority: options.priority,
            eta: options.eta,
            expires: options.expires,
            soft_time_limit: options.soft_time_limit,
            hard_time_limit: options.hard_time_limit,
            ignore_result: options.ignore_result,
            root_id: options.root_id,
            parent_id: options.parent_id,
            group: options.group,
            group_index: options.group_index,
            reply_to: options.reply_to,
            trace,
        };
        Ok(draft.finish()?)
    }
}

/// `None` (no limit) for what lies beyond the calendar's end.
fn from_now(pause: Duration) -> Option<Timestamp> {
    Timestamp::now().checked_add(pause).ok()
}
