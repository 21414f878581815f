//! Tasks that every Celery worker has: what workflows are made of besides one's own tasks.

use std::sync::Arc;

use kiuas_queue::message::Signature;
use kiuas_queue::{Context, Registered, Registry, TaskError};
use serde_json::{Map, Value};

/// A task of every worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Builtin {
    /// A task once for each item, one after the other, in one message.
    Map,
    /// The same with the items as lists of arguments.
    StarMap,
    /// Its arguments, or the one that is asked for: what gathers a group that has replaced a task.
    Accumulate,
    /// Results go by themselves.
    BackendCleanup,
}

impl Builtin {
    /// The task of that name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "celery.map" => Self::Map,
            "celery.starmap" => Self::StarMap,
            "celery.accumulate" => Self::Accumulate,
            "celery.backend_cleanup" => Self::BackendCleanup,
            _ => return None,
        })
    }

    /// Its name, for metrics.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Map => "celery.map",
            Self::StarMap => "celery.starmap",
            Self::Accumulate => "celery.accumulate",
            Self::BackendCleanup => "celery.backend_cleanup",
        }
    }

    /// Runs it with the tasks of `registry`.
    pub(crate) async fn run<S: Send + Sync + 'static>(
        self,
        registry: &Registry<S>,
        ctx: &Context<S>,
        args: Vec<Value>,
        mut kwargs: Map<String, Value>,
    ) -> Result<Value, TaskError> {
        match self {
            Self::Accumulate => Ok(accumulate(args, &kwargs)),
            Self::BackendCleanup => Ok(Value::Null),
            Self::Map | Self::StarMap => {
                let mut args = args.into_iter();
                let mut next = |name: &str| args.next().or_else(|| kwargs.remove(name));
                let (task, items) = (next("task"), next("it"));
                let task: Signature = serde_json::from_value(task.unwrap_or_default())
                    .map_err(|error| TaskError::fail(format!("`task` is no signature: {error}")))?;
                let Some(Value::Array(items)) = items else {
                    return Err(TaskError::fail("`it` is no list"));
                };
                let known = registry
                    .get(&task.task)
                    .ok_or_else(|| TaskError::fail(format!("there is no task `{}`", task.task)))?;
                self.each(&known, ctx, items).await
            }
        }
    }

    async fn each<S: Send + Sync + 'static>(
        self,
        task: &Arc<Registered<S>>,
        ctx: &Context<S>,
        items: Vec<Value>,
    ) -> Result<Value, TaskError> {
        let mut results = Vec::with_capacity(items.len());
        for item in items {
            let args = match item {
                Value::Array(args) if self == Self::StarMap => args,
                one => vec![one],
            };
            let started = task.start(ctx.clone(), args, Map::new());
            results.push(started.map_err(TaskError::fail)?.await?);
        }
        Ok(Value::Array(results))
    }
}

fn accumulate(args: Vec<Value>, kwargs: &Map<String, Value>) -> Value {
    let index = kwargs.get("index").and_then(Value::as_u64);
    match index.and_then(|index| usize::try_from(index).ok()) {
        Some(index) => args.into_iter().nth(index).unwrap_or_default(),
        None => Value::Array(args),
    }
}
