//! The tasks that a worker can run, by name.

mod arguments;

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::{BoxFuture, FutureExt};
use serde_json::{Map, Value};

use crate::task::{Context, Task, TaskError, TaskOptions};

/// The arguments do not fit the task.
#[derive(Debug, thiserror::Error)]
#[error("the arguments do not fit task `{task}`")]
pub struct ArgumentsError {
    /// The task's name.
    pub task: &'static str,
    /// What does not fit.
    #[source]
    pub source: serde_json::Error,
}

type Started = BoxFuture<'static, Result<Value, TaskError>>;
type Start<S> = dyn Fn(Context<S>, Vec<Value>, Map<String, Value>) -> Result<Started, ArgumentsError>
    + Send
    + Sync;

/// A task of whatever type, as the worker runs it.
pub struct Registered<S> {
    /// Its name.
    pub name: &'static str,
    /// How it runs.
    pub options: TaskOptions,
    start: Box<Start<S>>,
}

impl<S> std::fmt::Debug for Registered<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registered")
            .field("name", &self.name)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl<S> Registered<S> {
    /// Reads the arguments and hands back the run, which has not begun.
    ///
    /// # Errors
    /// The arguments do not fit.
    pub fn start(
        &self,
        ctx: Context<S>,
        args: Vec<Value>,
        kwargs: Map<String, Value>,
    ) -> Result<Started, ArgumentsError> {
        (self.start)(ctx, args, kwargs)
    }
}

/// Names to tasks. `S` is the application's state.
#[derive(Debug)]
pub struct Registry<S> {
    tasks: BTreeMap<&'static str, Arc<Registered<S>>>,
}

impl<S> Default for Registry<S> {
    fn default() -> Self {
        Self {
            tasks: BTreeMap::new(),
        }
    }
}

impl<S: Send + Sync + 'static> Registry<S> {
    /// No tasks.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds task `T`. A second task of the same name replaces the first one, with a warning.
    pub fn add<T: Task<S>>(&mut self) -> &mut Self {
        let registered = Registered {
            name: T::NAME,
            options: T::options(),
            start: Box::new(|ctx, args, kwargs| {
                let task: T = arguments::read(args, kwargs).map_err(|source| ArgumentsError {
                    task: T::NAME,
                    source,
                })?;
                Ok(run(task, ctx).boxed())
            }),
        };
        if self.tasks.insert(T::NAME, Arc::new(registered)).is_some() {
            tracing::warn!(task.name = T::NAME, "two tasks are named `{}`", T::NAME);
        }
        self
    }

    /// The task of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Arc<Registered<S>>> {
        self.tasks.get(name).cloned()
    }

    /// All names, in order.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.tasks.keys().copied()
    }
}

async fn run<S, T: Task<S>>(task: T, ctx: Context<S>) -> Result<Value, TaskError> {
    let output = task.run(ctx).await?;
    serde_json::to_value(output).map_err(TaskError::fail)
}

#[cfg(test)]
mod tests;
