//! How a run ended, and what is stored about it.

use std::time::Duration;

use jiff::Timestamp;
use kiuas_queue::{ExceptionInfo, Failure, RetryPolicy, TaskError, with_causes};
use serde_json::{Value, json};

/// How a delivery ends.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// The task returned.
    Success(Value),
    /// To be tried again after a pause.
    Retry(Duration, ExceptionInfo),
    /// Failed for good. `dead`: with a dead letter, because of this.
    Failure {
        exception: ExceptionInfo,
        dead: Option<String>,
    },
    /// Never run.
    Expired,
    /// Never run, or stopped, because somebody said so.
    Revoked { terminated: bool },
    /// Not now.
    Defer(Timestamp),
    /// Somebody else has it.
    Lost,
}

impl Verdict {
    /// The label of the metrics.
    pub(crate) fn outcome(&self) -> &'static str {
        match self {
            Self::Success(_) => "success",
            Self::Retry(..) => "retry",
            Self::Failure { .. } => "failure",
            Self::Expired => "expired",
            Self::Revoked { .. } => "revoked",
            Self::Defer(_) => "deferred",
            Self::Lost => "lost",
        }
    }

    /// A failure that no retry would mend and that is not the task's own decision.
    pub(crate) fn refused(exception: ExceptionInfo) -> Self {
        let dead = Some(text(&exception));
        Self::Failure { exception, dead }
    }

    /// What the policy says about a failed try.
    pub(crate) fn failed(exception: ExceptionInfo, policy: &RetryPolicy, retries: u32) -> Self {
        Self::again(exception, policy, retries, None)
    }

    /// What a task's error means.
    pub(crate) fn of_error(error: TaskError, policy: &RetryPolicy, retries: u32) -> Self {
        match error {
            TaskError::Fail(failure) => Self::Failure {
                exception: exception(&failure),
                dead: None,
            },
            TaskError::Retry { after, source } => {
                let exception =
                    ExceptionInfo::new("celery.exceptions", "Retry", with_causes(source.as_ref()));
                Self::again(exception, policy, retries, after)
            }
            TaskError::Failed(failure) => Self::failed(exception(&failure), policy, retries),
            other => Self::refused(ExceptionInfo::new(
                "kiuas",
                "UnknownError",
                format!("{other:?}"),
            )),
        }
    }

    fn again(
        exception: ExceptionInfo,
        policy: &RetryPolicy,
        retries: u32,
        after: Option<Duration>,
    ) -> Self {
        match policy.pause(retries) {
            Some(pause) => Self::Retry(after.unwrap_or(pause), exception),
            None => {
                let tries = u64::from(retries) + 1;
                let dead = format!("failed {tries} times, last: {}", text(&exception));
                Self::Failure {
                    exception,
                    dead: Some(dead),
                }
            }
        }
    }
}

/// `ValueError: what it says`.
pub(crate) fn text(exception: &ExceptionInfo) -> String {
    let message = match exception.exc_message.get(0) {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => String::new(),
    };
    format!("{}: {message}", exception.exc_type)
}

/// The error's Rust type as module and class: `rust.std.io`, `Error`. Python has no such module and
/// makes up a class of that name.
fn exception(failure: &Failure) -> ExceptionInfo {
    let path = failure.kind.split('<').next().unwrap_or_default();
    let (module, name) = path.rsplit_once("::").unwrap_or(("", path));
    // A text is no name for what went wrong.
    let is_named = name != "String"
        && name.chars().all(|c| c.is_alphanumeric() || c == '_')
        && !name.is_empty();
    let (module, name) = if is_named && !module.is_empty() && !module.contains('&') {
        (format!("rust.{}", module.replace("::", ".")), name)
    } else {
        ("kiuas".to_owned(), "TaskError")
    };
    ExceptionInfo::new(&module, name, with_causes(failure.source.as_ref()))
}

/// A limit that was passed, named as Celery's clients know it.
pub(crate) fn time_limit(name: &str, limit: Duration) -> ExceptionInfo {
    ExceptionInfo::new("billiard.exceptions", name, json!(limit.as_secs_f64()))
}

/// A panic, with its message if it had one.
pub(crate) fn panic(payload: &(dyn std::any::Any + Send)) -> ExceptionInfo {
    let message = payload
        .downcast_ref::<&'static str>()
        .map(|text| (*text).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "the task panicked".to_owned());
    ExceptionInfo::new("rust", "Panic", message)
}

#[cfg(test)]
mod tests;
