//! The body: arguments, and what follows the task.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// `[args, kwargs, embed]`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Body(pub Vec<Value>, pub Map<String, Value>, pub Embed);

/// What is to follow the task.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Embed {
    /// Sent with the result when it succeeds.
    #[serde(default)]
    pub callbacks: Option<Vec<Signature>>,
    /// Sent with the task's id when it fails.
    #[serde(default)]
    pub errbacks: Option<Vec<Signature>>,
    /// The rest of the chain, **last first**.
    #[serde(default)]
    pub chain: Option<Vec<Signature>>,
    /// The body of the chord it is part of.
    #[serde(default)]
    pub chord: Option<Value>,
    /// What else there is.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// A call that is not sent yet.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Signature {
    /// The task's name.
    pub task: String,
    /// Positional arguments; a result is put in front unless `immutable`.
    #[serde(default)]
    pub args: Vec<Value>,
    /// Keyword arguments.
    #[serde(default)]
    pub kwargs: Map<String, Value>,
    /// `task_id`, `queue`, `link`, … as `apply_async` takes them.
    #[serde(default)]
    pub options: Map<String, Value>,
    /// `group`, `chain`, `chord`, … ; null for a plain task.
    #[serde(default)]
    pub subtask_type: Option<String>,
    /// Takes no result of what went before.
    #[serde(default)]
    pub immutable: Option<bool>,
    /// What else there is.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

impl Embed {
    /// True if nothing follows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let none = |list: &Option<Vec<Signature>>| list.as_ref().is_none_or(Vec::is_empty);
        none(&self.callbacks)
            && none(&self.errbacks)
            && none(&self.chain)
            && self.chord.as_ref().is_none_or(Value::is_null)
    }
}
