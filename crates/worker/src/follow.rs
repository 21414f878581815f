//! What follows a task: callbacks, the next of a chain, error callbacks, the body of a chord.

use std::time::Duration;

use kiuas_common::telemetry::TraceContext;
use kiuas_queue::canvas::{Carrier, ChordPart, Plan};
use kiuas_queue::message::{Embed, Envelope, Signature};
use kiuas_queue::{Queue, QueueError, Registry, ResultMeta, TaskId};
use serde_json::Value;

/// What a signature can be.
const KINDS: [&str; 6] = ["chain", "chord", "chunks", "group", "xmap", "xstarmap"];

/// Why a message's continuation is more than this worker can carry out.
///
/// Refused before the task runs, and visibly: run and forget would lose what was to follow.
pub(crate) fn unsupported(embed: &Embed) -> Option<String> {
    let lists = [&embed.callbacks, &embed.errbacks, &embed.chain];
    lists.into_iter().flatten().flatten().find_map(|signature| {
        let kind = signature.subtask_type.as_deref()?;
        let unknown = !KINDS.contains(&kind);
        unknown.then(|| format!("this worker sends no {kind} after a task"))
    })
}

/// Builds the messages that follow a task.
pub(crate) struct Follow<'a, S> {
    pub(crate) queue: &'a Queue,
    pub(crate) registry: &'a Registry<S>,
    pub(crate) parent: &'a Envelope,
}

impl<S: Send + Sync + 'static> Follow<'_, S> {
    /// After success: every callback and the next of the chain, with the result.
    pub(crate) fn success(&self, embed: &mut Embed, result: &Value) -> Result<Plan, QueueError> {
        let mut plan = Plan::default();
        for callback in embed.callbacks.take().unwrap_or_default() {
            self.carry(callback, result, Vec::new(), &mut plan)?;
        }
        let mut chain = embed.chain.take().unwrap_or_default();
        // On the wire the next is the last.
        if let Some(next) = chain.pop() {
            self.carry(next, result, chain, &mut plan)?;
        }
        Ok(plan)
    }

    /// Error callbacks, each with the id of the task that it is told of.
    pub(crate) fn failure(
        &self,
        errbacks: impl IntoIterator<Item = (TaskId, Signature)>,
    ) -> Result<Plan, QueueError> {
        let mut plan = Plan::default();
        for (id, callback) in errbacks {
            let id = Value::from(id.as_str());
            self.carry(callback, &id, Vec::new(), &mut plan)?;
        }
        Ok(plan)
    }

    /// The body of a chord, with the results of its header.
    pub(crate) fn body(&self, body: Signature, results: Vec<Value>) -> Result<Plan, QueueError> {
        let mut plan = Plan::default();
        self.carry(body, &Value::Array(results), Vec::new(), &mut plan)?;
        Ok(plan)
    }

    fn carry(
        &self,
        signature: Signature,
        first: &Value,
        chain: Vec<Signature>,
        plan: &mut Plan,
    ) -> Result<(), QueueError> {
        let headers = &self.parent.headers;
        let carrier = Carrier {
            default_queue: &self.queue.settings().default_queue,
            queue_of: &|name| {
                let queue = self.registry.get(name)?.options.queue?;
                Some(queue.to_owned())
            },
            root_id: headers.root_id.clone().or_else(|| Some(headers.id.clone())),
            parent_id: Some(headers.id.clone()),
            priority: self.parent.priority(),
            reply_to: self.parent.properties.reply_to.clone(),
            trace: TraceContext::current(),
        };
        carrier.carry(signature, Some(first), chain, plan)
    }
}

/// The end `meta` of a task that is a member of a chord's header; `None` if it is none.
pub(crate) fn part(envelope: &Envelope, embed: &Embed, meta: &ResultMeta) -> Option<ChordPart> {
    let body = embed.chord.as_ref().filter(|body| !body.is_null())?;
    let headers = &envelope.headers;
    let body = serde_json::from_value(body.clone())
        .inspect_err(|error| tracing::error!(%error, "the body of a chord is no signature"));
    Some(ChordPart {
        group: headers.group.clone()?,
        index: headers.rest.get("group_index").and_then(Value::as_u64),
        task: meta.task_id.clone(),
        state: meta.status,
        result: meta.result.clone(),
        body: body.ok()?,
    })
}

/// A number of seconds that is one.
pub(crate) fn duration(seconds: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(seconds).ok()
}
