//! What a message can ask for: a task of the application, or one that every worker has.

use std::sync::Arc;

use kiuas_queue::{ArgumentsError, Context, Registered, Registry, TaskError, TaskOptions};
use serde_json::{Map, Value};

use crate::builtin::Builtin;

/// What is to be run.
pub(crate) enum Work<S> {
    /// A task of the application.
    Own(Arc<Registered<S>>),
    /// A task of every worker.
    Builtin(Builtin),
}

impl<S: Send + Sync + 'static> Work<S> {
    /// The task of that name.
    pub(crate) fn named(name: &str, registry: &Registry<S>) -> Option<Self> {
        let builtin = || Builtin::named(name).map(Self::Builtin);
        registry.get(name).map(Self::Own).or_else(builtin)
    }

    /// Its name, for metrics.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Own(task) => task.name,
            Self::Builtin(task) => task.name(),
        }
    }

    /// How it runs.
    pub(crate) fn options(&self) -> TaskOptions {
        match self {
            Self::Own(task) => task.options.clone(),
            Self::Builtin(_) => TaskOptions::default(),
        }
    }

    /// Reads the arguments and runs it.
    pub(crate) async fn run(
        &self,
        registry: &Registry<S>,
        ctx: Context<S>,
        args: Vec<Value>,
        kwargs: Map<String, Value>,
    ) -> Result<Result<Value, TaskError>, ArgumentsError> {
        match self {
            Self::Own(task) => Ok(task.start(ctx, args, kwargs)?.await),
            Self::Builtin(task) => Ok(task.run(registry, &ctx, args, kwargs).await),
        }
    }
}
