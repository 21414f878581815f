//! From a verdict to what the broker does with it.

use std::time::Duration;

use jiff::Timestamp;
use kiuas_queue::broker::{Broker, Delivery, Finish};
use kiuas_queue::canvas::{ChordPart, fall_out};
use kiuas_queue::message::{Embed, Envelope, Outgoing};
use kiuas_queue::{ExceptionInfo, QueueError, ResultMeta, State, TaskId};
use serde_json::Value;

use crate::execute::Executor;
use crate::follow::{Follow, part};
use crate::verdict::Verdict;

/// What is stored and sent when `envelope`'s task ends with `verdict`.
pub(crate) fn finish<S: Send + Sync + 'static, B: Broker>(
    executor: &Executor<S, B>,
    delivery: &Delivery,
    envelope: &Envelope,
    embed: &mut Embed,
    verdict: Verdict,
) -> Result<(Finish, Vec<ChordPart>), QueueError> {
    let id = TaskId::from(envelope.headers.id.clone());
    let follow = Follow {
        queue: &executor.queue,
        registry: &executor.registry,
        parent: envelope,
    };
    let mut finish = Finish::default();
    let mut parts = Vec::new();
    let mut children = Vec::new();
    let meta = match verdict {
        Verdict::Success(value) => {
            let plan = follow.success(embed, &value)?;
            finish.follow_ups = plan.messages;
            finish.chords = plan.chords;
            children = plan.children;
            ResultMeta::new(id, State::Success, value)
        }
        Verdict::Retry(pause, exception) => {
            finish.again = Some(again(envelope, &delivery.queue, pause)?);
            ResultMeta::exception(id, State::Retry, &exception)
        }
        Verdict::Failure { exception, dead } => {
            let errbacks = embed.errbacks.take().unwrap_or_default();
            let plan = follow.failure(errbacks.into_iter().map(|it| (id.clone(), it)))?;
            finish.follow_ups = plan.messages;
            finish.chords = plan.chords;
            finish.dead = dead;
            let meta = ResultMeta::exception(id, State::Failure, &exception);
            fall(embed, &meta, &mut finish, &mut parts);
            meta
        }
        Verdict::Expired | Verdict::Revoked { .. } => {
            let why = match verdict {
                Verdict::Expired => "expired",
                Verdict::Revoked { terminated: true } => "terminated",
                _ => "revoked",
            };
            let error = ExceptionInfo::new("celery.exceptions", "TaskRevokedError", why);
            let meta = ResultMeta::exception(id, State::Revoked, &error);
            fall(embed, &meta, &mut finish, &mut parts);
            meta
        }
        // These two end without a result.
        Verdict::Defer(_) | Verdict::Lost => return Ok((finish, parts)),
    };
    if meta.status.is_final()
        && let Some(own) = part(envelope, embed, &meta)
    {
        parts.insert(0, own);
    }
    if !envelope.headers.ignore_result.unwrap_or(false) {
        let mut meta = related(meta, envelope);
        meta.children = children;
        finish.result = Some(meta);
    }
    Ok((finish, parts))
}

/// What was to follow a task ends with it.
fn fall(embed: &Embed, meta: &ResultMeta, finish: &mut Finish, parts: &mut Vec<ChordPart>) {
    let fallout = fall_out(embed, meta);
    finish.dependents = fallout.results;
    parts.extend(fallout.parts);
}

/// The end of a task whose continuation cannot be written as messages (they would be too long): a
/// failure with a dead letter, so that nothing of it is lost.
pub(crate) fn given_up(
    envelope: &Envelope,
    embed: &Embed,
    error: &QueueError,
) -> (Finish, Vec<ChordPart>) {
    let reason = format!("cannot send what follows it: {}", error.with_causes());
    tracing::error!(task.id = %envelope.headers.id, "gave up a task: {reason}");
    let exception = ExceptionInfo::new("kiuas", "MessageError", reason.as_str());
    let id = TaskId::from(envelope.headers.id.clone());
    let meta = ResultMeta::exception(id, State::Failure, &exception);
    let mut parts: Vec<_> = part(envelope, embed, &meta).into_iter().collect();
    let mut finish = Finish {
        dead: Some(reason),
        ..Finish::default()
    };
    fall(embed, &meta, &mut finish, &mut parts);
    finish.result = Some(meta);
    (finish, parts)
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
