//! Tasks that kill their workers, and what is kept of tasks that were given up.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::message::{Envelope, TaskId, iso};
use crate::result::{ExceptionInfo, ResultMeta, State};

/// Workers that may die with a task before it counts as their killer.
pub(crate) const MOST_DELIVERIES: u32 = 5;
/// Dead letters and malformed messages that are kept a queue, the newest.
pub(crate) const MOST_LETTERS: usize = 10_000;

/// What becomes of a task that has killed too many workers.
#[derive(Debug)]
pub(crate) struct Burial {
    /// Why it is a dead letter.
    pub(crate) reason: String,
    /// Its result, and those of the tasks that will never run because of it.
    pub(crate) results: Vec<ResultMeta>,
}

impl Burial {
    /// The end of `envelope`'s task, which is logged.
    pub(crate) fn of(envelope: &Envelope) -> Self {
        let id = TaskId::from(envelope.headers.id.clone());
        let deaths = envelope.headers.deliveries.unwrap_or(0);
        let reason = format!("{deaths} workers died while they ran it");
        tracing::error!(
            task.name = %envelope.headers.task,
            task.id = %id,
            deaths,
            "gave up a task: {reason}"
        );
        let exception =
            ExceptionInfo::new("billiard.exceptions", "WorkerLostError", reason.clone());
        let meta = ResultMeta::exception(id, State::Failure, &exception);
        // The dependents' results are waited for even where the task's own is ignored.
        let embed = envelope.body().map(|body| body.2).unwrap_or_default();
        let dependents = meta.dependents(&embed);
        let ignored = envelope.headers.ignore_result.unwrap_or(false);
        let own = (!ignored).then_some(meta);
        Self {
            reason,
            results: own.into_iter().chain(dependents).collect(),
        }
    }
}

/// A dead letter: the message as it came, and the evidence.
pub(crate) fn dead_letter(raw: &[u8], queue: &str, reason: &str, tag: &str) -> Vec<u8> {
    let message = serde_json::from_slice::<Value>(raw)
        .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(raw).into_owned()));
    json!({
        "queue": queue,
        "reason": reason,
        "at": iso(Timestamp::now()),
        "tag": tag,
        "message": message,
    })
    .to_string()
    .into_bytes()
}
