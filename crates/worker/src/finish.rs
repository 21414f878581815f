//! From a verdict to what the broker does with it.

use std::time::Duration;

use jiff::Timestamp;
use kiuas_queue::broker::{Broker, Delivery, Finish};
use kiuas_queue::message::{Embed, Envelope, Outgoing};
use kiuas_queue::{ExceptionInfo, QueueError, ResultMeta, State, TaskId};
use serde_json::Value;

use crate::execute::Executor;
use crate::follow::Follow;
use crate::verdict::Verdict;

/// What is stored and sent when `envelope`'s task ends with `verdict`.
pub(crate) fn finish<S: Send + Sync + 'static, B: Broker>(
    executor: &Executor<S, B>,
    delivery: &Delivery,
    envelope: &Envelope,
    embed: &mut Embed,
    verdict: Verdict,
) -> Result<Finish, QueueError> {
    let id = TaskId::from(envelope.headers.id.clone());
    let follow = Follow {
        queue: &executor.queue,
        registry: &executor.registry,
        parent: envelope,
    };
    let mut finish = Finish::default();
    let meta = match verdict {
        Verdict::Success(value) => {
            finish.follow_ups = follow.success(embed, &value)?;
            ResultMeta::new(id, State::Success, value)
        }
        Verdict::Retry(pause, exception) => {
            finish.again = Some(again(envelope, &delivery.queue, pause)?);
            ResultMeta::exception(id, State::Retry, &exception)
        }
        Verdict::Failure { exception, dead } => {
            finish.follow_ups = follow.failure(embed)?;
            finish.dead = dead;
            let meta = ResultMeta::exception(id, State::Failure, &exception);
            finish.dependents = meta.dependents(embed);
            meta
        }
        Verdict::Expired => {
            let expired = ExceptionInfo::new("celery.exceptions", "TaskRevokedError", "expired");
            let meta = ResultMeta::exception(id, State::Revoked, &expired);
            finish.dependents = meta.dependents(embed);
            meta
        }
        // These two end without a result.
        Verdict::Defer(_) | Verdict::Lost => return Ok(finish),
    };
    if !envelope.headers.ignore_result.unwrap_or(false) {
        let meta = meta.with_children(finish.follow_ups.iter().map(|message| &message.id));
        finish.result = Some(related(meta, envelope));
    }
    Ok(finish)
}

/// The end of a task whose continuation cannot be written as messages (they would be too long): a
/// failure with a dead letter, so that nothing of it is lost.
pub(crate) fn given_up(envelope: &Envelope, error: &QueueError) -> Finish {
    let reason = format!("cannot send what follows it: {}", error.with_causes());
    tracing::error!(task.id = %envelope.headers.id, "gave up a task: {reason}");
    let exception = ExceptionInfo::new("kiuas", "MessageError", reason.as_str());
    let id = TaskId::from(envelope.headers.id.clone());
    Finish {
        result: Some(ResultMeta::exception(id, State::Failure, &exception)),
        dead: Some(reason),
        ..Finish::default()
    }
}

fn related(mut meta: ResultMeta, envelope: &Envelope) -> ResultMeta {
    let headers = &envelope.headers;
    let links = [
        ("parent_id", &headers.parent_id),
        ("group_id", &headers.group),
    ];
    for (name, id) in links {
        if let Some(id) = id {
            meta.rest.insert(name.to_owned(), Value::from(id.as_str()));
        }
    }
    meta
}

/// The same task as a new message: same id and arguments, one try more.
fn again(
    envelope: &Envelope,
    queue: &str,
    pause: Duration,
) -> Result<(Timestamp, Outgoing), QueueError> {
    let now = Timestamp::now();
    let eta = now.checked_add(pause).unwrap_or(Timestamp::MAX);
    let message = envelope.retried(queue, eta)?;
    Ok((eta, message))
}
