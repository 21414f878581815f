//! Making workflows, and reading those that others made.

use serde_json::{Map, Value, json};

use crate::call::Call;
use crate::error::QueueError;
use crate::message::{Signature, iso};

impl Signature {
    /// One task after the other, each with the result of the one before as its first argument.
    #[must_use]
    pub fn chain(tasks: Vec<Self>) -> Self {
        Self::composite("chain", "celery.chain", json!({"tasks": tasks}))
    }

    /// Tasks beside each other.
    #[must_use]
    pub fn group(tasks: Vec<Self>) -> Self {
        Self::composite("group", "celery.group", json!({"tasks": tasks}))
    }

    /// Tasks beside each other, and `body` with the list of their results when all have succeeded.
    #[must_use]
    pub fn chord(header: Vec<Self>, body: &Self) -> Self {
        let kwargs = json!({"header": Self::group(header), "body": body, "kwargs": {}});
        Self::composite("chord", "celery.chord", kwargs)
    }

    /// The task that `call` names, once for each of `items`, in one message.
    #[must_use]
    pub fn map(task: &Self, items: Vec<Value>) -> Self {
        Self::composite("xmap", "celery.map", json!({"task": task, "it": items}))
    }

    /// It takes no result of what went before.
    #[must_use]
    pub fn immutable(mut self) -> Self {
        self.immutable = Some(true);
        self
    }

    /// `callback` is sent with the result when it succeeds.
    #[must_use]
    pub fn link(self, callback: &Self) -> Self {
        self.appended("link", callback)
    }

    /// `callback` is sent with the id of the failed task when it fails.
    #[must_use]
    pub fn link_error(self, callback: &Self) -> Self {
        self.appended("link_error", callback)
    }

    fn composite(kind: &str, task: &str, kwargs: Value) -> Self {
        let kwargs = match kwargs {
            Value::Object(kwargs) => kwargs,
            _ => Map::new(),
        };
        Self {
            task: task.to_owned(),
            kwargs,
            subtask_type: Some(kind.to_owned()),
            immutable: Some(false),
            ..Self::default()
        }
    }

    pub(super) fn appended(mut self, option: &str, callback: &Self) -> Self {
        let mut callbacks = many(self.options.get(option));
        callbacks.push(callback.clone());
        self.options.insert(option.to_owned(), json!(callbacks));
        self
    }

    /// The text of an option.
    pub(crate) fn text(&self, option: &str) -> Option<&str> {
        self.options.get(option)?.as_str()
    }

    pub(super) fn set(&mut self, option: &str, value: impl Into<Value>) {
        self.options.insert(option.to_owned(), value.into());
    }

    /// Sets an option that is not set.
    pub(super) fn set_default(&mut self, option: &str, value: impl Into<Value>) {
        if self.options.get(option).is_none_or(Value::is_null) {
            self.set(option, value);
        }
    }

    pub(super) fn is(&self, kind: &str) -> bool {
        self.subtask_type.as_deref() == Some(kind)
    }

    /// The members of a group or a chain, groups in groups and chains in chains taken apart.
    pub(super) fn members(&self) -> Result<Vec<Self>, QueueError> {
        let kind = self.subtask_type.clone().unwrap_or_default();
        let mut flat = Vec::new();
        for member in list(self.kwargs.get("tasks"))? {
            if member.is(&kind) {
                flat.extend(member.members()?);
            } else {
                flat.push(member);
            }
        }
        Ok(flat)
    }

    /// The header of a chord, as a group.
    pub(super) fn header(&self) -> Result<Self, QueueError> {
        match self.kwargs.get("header") {
            Some(header @ Value::Object(_)) => {
                let header = one(header)?;
                Ok(if header.is("group") {
                    header
                } else {
                    Self::group(vec![header])
                })
            }
            other => Ok(Self::group(list(other)?)),
        }
    }

    /// The body of a chord.
    pub(super) fn body(&self) -> Result<Self, QueueError> {
        one(self.kwargs.get("body").unwrap_or(&Value::Null))
    }
}

impl From<Call> for Signature {
    fn from(call: Call) -> Self {
        let options = call.options;
        let mut signature = Self {
            task: call.name,
            args: call.args,
            kwargs: call.kwargs,
            immutable: Some(false),
            ..Self::default()
        };
        let mut set = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                signature.options.insert(name.to_owned(), value);
            }
        };
        let seconds = |limit: Option<std::time::Duration>| Some(limit?.as_secs_f64().into());
        let callbacks = |list: Vec<Self>| (!list.is_empty()).then(|| json!(list));
        set("task_id", options.id.map(|id| id.as_str().into()));
        set("queue", options.queue.map(Value::from));
        set(
            "priority",
            (options.priority > 0).then(|| options.priority.into()),
        );
        set("eta", options.eta.map(|eta| iso(eta).into()));
        set(
            "expires",
            options.expires.map(|expires| iso(expires).into()),
        );
        set("soft_time_limit", seconds(options.soft_time_limit));
        set("time_limit", seconds(options.hard_time_limit));
        set(
            "ignore_result",
            options.ignore_result.then_some(Value::Bool(true)),
        );
        set("link", callbacks(options.link));
        set("link_error", callbacks(options.link_error));
        if options.chain.is_empty() {
            return signature;
        }
        let mut tasks = vec![signature];
        tasks.extend(options.chain);
        Self::chain(tasks)
    }
}

/// A signature in JSON.
pub(super) fn one(value: &Value) -> Result<Signature, QueueError> {
    serde_json::from_value(value.clone()).map_err(|error| QueueError::Canvas {
        problem: format!("a part of it is no signature: {error}"),
    })
}

/// A list of signatures.
pub(super) fn list(value: Option<&Value>) -> Result<Vec<Signature>, QueueError> {
    match value {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(items)) => items.iter().map(one).collect(),
        Some(other) => Err(QueueError::Canvas {
            problem: format!("`{other}` is no list of signatures"),
        }),
    }
}

/// One signature or a list of them; what is none is left out, and said.
pub(crate) fn many(value: Option<&Value>) -> Vec<Signature> {
    let items = match value {
        Some(Value::Array(items)) => items.as_slice(),
        Some(one @ Value::Object(_)) => std::slice::from_ref(one),
        _ => &[],
    };
    let read = |item| {
        one(item)
            .inspect_err(|error| tracing::error!(%error, "a callback is no signature"))
            .ok()
    };
    items.iter().filter_map(read).collect()
}
