//! A task: what runs, with what settings, and what it may answer.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::message::TaskId;
use crate::retry::RetryPolicy;

/// Any error that a task can end with.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A background task: a struct whose fields are its arguments.
///
/// The fields travel as keyword arguments; positional arguments from other producers fill the fields in
/// the order of their declaration. `S` is the application's state.
pub trait Task<S>: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// Its name on the wire, `app.do_something`. Changing it orphans what is queued.
    const NAME: &'static str;

    /// What it answers; stored as its result, in JSON.
    type Output: Serialize + Send;

    /// Queue, priority, retries, limits. The default: default queue, retries on, no limits.
    #[must_use]
    fn options() -> TaskOptions {
        TaskOptions::default()
    }

    /// Does the work. It may be dropped at any `.await` (time limit, shutdown) and may run more than
    /// once (at-least-once delivery).
    fn run(self, ctx: Context<S>) -> impl Future<Output = Result<Self::Output, TaskError>> + Send;
}

/// How a task travels and runs.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TaskOptions {
    /// The queue; absent: `queue.default_queue`.
    pub queue: Option<&'static str>,
    /// 0 is served first, 9 last. Rounded down to Celery's steps 0, 3, 6 and 9.
    pub priority: u8,
    /// What happens after a failure.
    pub retry: RetryPolicy,
    /// The future is dropped and the attempt counts as failed; the retry policy applies.
    pub soft_time_limit: Option<Duration>,
    /// The future is dropped and the task fails for good.
    pub hard_time_limit: Option<Duration>,
    /// Not worth running after this long in the queue.
    pub expires: Option<Duration>,
    /// Store no result.
    pub ignore_result: bool,
}

/// What a running task knows about itself.
#[derive(Debug)]
#[non_exhaustive]
pub struct Context<S> {
    /// The application's state.
    pub state: Arc<S>,
    /// The task's id; the same in every retry and redelivery.
    pub id: TaskId,
    /// Tries before this one.
    pub retries: u32,
    /// How it came here.
    pub delivered: Delivered,
}

/// How a message came to the worker.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Delivered {
    /// The queue it came from.
    pub queue: String,
    /// True if it may have been run before by a worker that did not finish it.
    pub redelivered: bool,
    /// The first task of the chain it belongs to.
    pub root_id: Option<String>,
    /// The task that sent it.
    pub parent_id: Option<String>,
}

impl<S> Context<S> {
    /// A context for running a task outside a worker, in a test.
    #[must_use]
    pub fn new(state: Arc<S>, id: TaskId) -> Self {
        Self {
            state,
            id,
            retries: 0,
            delivered: Delivered::default(),
        }
    }

    /// The same with the delivery's facts.
    #[must_use]
    pub fn delivered(mut self, retries: u32, delivered: Delivered) -> Self {
        self.retries = retries;
        self.delivered = delivered;
        self
    }
}

impl<S> Clone for Context<S> {
    fn clone(&self) -> Self {
        Self {
            state: Arc::clone(&self.state),
            id: self.id.clone(),
            retries: self.retries,
            delivered: self.delivered.clone(),
        }
    }
}

/// How a task ends when it does not succeed. `?` turns any error into [`TaskError::Failed`].
#[derive(Debug)]
#[non_exhaustive]
pub enum TaskError {
    /// Try again, after `after` if given, else after the policy's pause. Counts as a try.
    Retry {
        /// The pause.
        after: Option<Duration>,
        /// Why.
        source: BoxError,
    },
    /// Failed for good: another try would not help.
    Fail(Failure),
    /// Failed; the retry policy decides.
    Failed(Failure),
}

/// An error with the name that results show.
#[derive(Debug)]
pub struct Failure {
    /// Path of the error's type, `std::io::Error`.
    pub kind: &'static str,
    /// The error.
    pub source: BoxError,
}

impl TaskError {
    /// Try again after `after`.
    pub fn retry_after(after: Duration, source: impl Into<BoxError>) -> Self {
        Self::Retry {
            after: Some(after),
            source: source.into(),
        }
    }

    /// Try again after the policy's pause.
    pub fn retry(source: impl Into<BoxError>) -> Self {
        Self::Retry {
            after: None,
            source: source.into(),
        }
    }

    /// Failed for good; no retry.
    pub fn fail<E: Into<BoxError>>(source: E) -> Self {
        Self::Fail(Failure {
            kind: std::any::type_name::<E>(),
            source: source.into(),
        })
    }

    /// Failed; the retry policy decides. For what is not a `std::error::Error` itself (text,
    /// `anyhow::Error`); for the rest `?` does it.
    pub fn failed<E: Into<BoxError>>(source: E) -> Self {
        Self::Failed(Failure {
            kind: std::any::type_name::<E>(),
            source: source.into(),
        })
    }
}

impl<E: std::error::Error + Send + Sync + 'static> From<E> for TaskError {
    fn from(error: E) -> Self {
        Self::failed(error)
    }
}
