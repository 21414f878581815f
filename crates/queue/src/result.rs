//! Results, in the form of Celery's Redis backend.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value, json};

use crate::message::{Embed, TaskId, iso};

/// State of a task. There is no "pending": what is not stored is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[non_exhaustive]
pub enum State {
    /// Running (Python workers with `task_track_started`).
    Started,
    /// Done.
    Success,
    /// Failed; will be tried again.
    Retry,
    /// Failed for good.
    Failure,
    /// Never run: expired or revoked.
    Revoked,
    /// A state of the task's own.
    #[serde(other)]
    Custom,
}

impl State {
    /// True if nothing will follow.
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(self, Self::Success | Self::Failure | Self::Revoked)
    }
}

/// What is stored about a task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ResultMeta {
    /// How it stands. First, because the store's script looks at the text's beginning.
    pub status: State,
    /// The returned value, or the exception.
    #[serde(default)]
    pub result: Value,
    /// Text for humans.
    #[serde(default)]
    pub traceback: Option<String>,
    /// The tasks that followed it: `[[id, null], null]` each.
    #[serde(default, deserialize_with = "list_or_null")]
    pub children: Vec<Value>,
    /// When it ended.
    #[serde(default)]
    pub date_done: Option<String>,
    /// The task's id.
    pub task_id: TaskId,
    /// What else there is: `group_id`, `parent_id`, …
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// An error in the form that Python makes an exception of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExceptionInfo {
    /// Name of the class.
    pub exc_type: String,
    /// Its arguments.
    pub exc_message: Value,
    /// Module of the class. Python makes up a class where it cannot import this.
    pub exc_module: String,
}

/// Celery writes `null` for the children of what has not run.
fn list_or_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Value>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

impl ExceptionInfo {
    /// An exception with one text.
    #[must_use]
    pub fn new(module: &str, name: &str, message: impl Into<Value>) -> Self {
        Self {
            exc_type: name.to_owned(),
            exc_message: json!([message.into()]),
            exc_module: module.to_owned(),
        }
    }
}

impl ResultMeta {
    /// The end of `task`: `status` with `result`.
    #[must_use]
    pub fn new(task_id: TaskId, status: State, result: Value) -> Self {
        Self {
            status,
            result,
            traceback: None,
            children: Vec::new(),
            date_done: status.is_final().then(|| iso(Timestamp::now())),
            task_id,
            rest: Map::new(),
        }
    }

    /// The end of `task` by `exception`.
    #[must_use]
    pub fn exception(task_id: TaskId, status: State, exception: &ExceptionInfo) -> Self {
        let result = json!({
            "exc_type": exception.exc_type,
            "exc_message": exception.exc_message,
            "exc_module": exception.exc_module,
        });
        Self::new(task_id, status, result)
    }

    /// The same end for each task of the chain behind it, as Celery stores it, and a chord error for
    /// the body of its chord: they will never run, and somebody may wait for them.
    #[must_use]
    pub fn dependents(&self, embed: &Embed) -> Vec<Self> {
        let id_of =
            |options: Option<&Value>| Some(TaskId::from(options?.get("task_id")?.as_str()?));
        let chain = embed.chain.iter().flatten();
        let mut ends: Vec<_> = chain
            .filter_map(|next| next.options.get("task_id")?.as_str())
            .map(|id| Self {
                task_id: id.into(),
                children: Vec::new(),
                rest: Map::new(),
                ..self.clone()
            })
            .collect();
        let chord = embed.chord.as_ref().and_then(|body| body.get("options"));
        if let Some(id) = id_of(chord) {
            let reason = format!("Dependency {} ended as {:?}", self.task_id, self.status);
            let error = ExceptionInfo::new("celery.exceptions", "ChordError", reason);
            ends.push(Self::exception(id, State::Failure, &error));
        }
        ends
    }
}
