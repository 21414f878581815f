//! What follows a task: callbacks, the next of a chain, error callbacks.

use std::time::Duration;

use jiff::Timestamp;
use kiuas_queue::message::{Embed, Envelope, Outgoing, Signature, parse_iso};
use kiuas_queue::{Call, Queue, QueueError, Registry, TaskId};
use serde_json::{Map, Value};

/// Why a message's continuation is more than this worker can carry out.
///
/// Refused before the task runs, and visibly: run and forget would lose what was to follow.
pub(crate) fn unsupported(embed: &Embed) -> Option<String> {
    if embed.chord.as_ref().is_some_and(|chord| !chord.is_null()) {
        return Some("this worker runs no chords".to_owned());
    }
    let lists = [&embed.callbacks, &embed.errbacks, &embed.chain];
    lists.into_iter().flatten().flatten().find_map(|signature| {
        let kind = signature.subtask_type.as_deref();
        let is_chord = signature
            .options
            .get("chord")
            .is_some_and(|chord| !chord.is_null());
        match kind {
            Some(kind) => Some(format!("this worker sends no {kind} after a task")),
            None if is_chord => Some("this worker runs no chords".to_owned()),
            None => None,
        }
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
    pub(crate) fn success(
        &self,
        embed: &mut Embed,
        result: &Value,
    ) -> Result<Vec<Outgoing>, QueueError> {
        let callbacks = embed.callbacks.take().unwrap_or_default();
        let mut messages = callbacks
            .into_iter()
            .map(|signature| self.message(signature, result, Vec::new()))
            .collect::<Result<Vec<_>, _>>()?;
        let mut chain = embed.chain.take().unwrap_or_default();
        // On the wire the next is the last.
        if let Some(next) = chain.pop() {
            chain.reverse();
            messages.push(self.message(next, result, chain)?);
        }
        Ok(messages)
    }

    /// After failure for good: every error callback, with the id of the failed task.
    pub(crate) fn failure(&self, embed: &mut Embed) -> Result<Vec<Outgoing>, QueueError> {
        let id = Value::from(self.parent.headers.id.as_str());
        let errbacks = embed.errbacks.take().unwrap_or_default();
        errbacks
            .into_iter()
            .map(|signature| self.message(signature, &id, Vec::new()))
            .collect()
    }

    fn message(
        &self,
        signature: Signature,
        first: &Value,
        chain: Vec<Signature>,
    ) -> Result<Outgoing, QueueError> {
        let mut args = signature.args;
        if !signature.immutable.unwrap_or(false) {
            args.insert(0, first.clone());
        }
        let mut call = Call::new(&signature.task, args, signature.kwargs);
        self.apply(&mut call, &signature.options);
        call.options.chain = chain;
        self.queue.prepare(call)
    }

    /// `apply_async`'s options, as far as they have a meaning here.
    fn apply(&self, call: &mut Call, options: &Map<String, Value>) {
        let headers = &self.parent.headers;
        let registered = self.registry.get(&call.name);
        let text = |name: &str| options.get(name).and_then(Value::as_str).map(str::to_owned);
        let seconds = |name: &str| options.get(name).and_then(Value::as_f64).and_then(duration);
        let to = &mut call.options;
        to.id = text("task_id").map(TaskId::from);
        to.queue = text("queue")
            .or_else(|| text("routing_key"))
            .or_else(|| registered.and_then(|task| task.options.queue.map(str::to_owned)));
        to.priority = options
            .get("priority")
            .and_then(Value::as_u64)
            .and_then(|priority| u8::try_from(priority).ok())
            .unwrap_or_else(|| self.parent.priority());
        to.eta = seconds("countdown")
            .and_then(|pause| Timestamp::now().checked_add(pause).ok())
            .or_else(|| text("eta").and_then(|eta| parse_iso(&eta)));
        to.expires = seconds("expires")
            .and_then(|pause| Timestamp::now().checked_add(pause).ok())
            .or_else(|| text("expires").and_then(|expires| parse_iso(&expires)));
        to.soft_time_limit = seconds("soft_time_limit");
        to.hard_time_limit = seconds("time_limit");
        to.ignore_result = options
            .get("ignore_result")
            .and_then(Value::as_bool)
            .unwrap_or(false);
        to.link = signatures(options.get("link"));
        to.link_error = signatures(options.get("link_error"));
        to.reply_to = text("reply_to").or_else(|| self.parent.properties.reply_to.clone());
        to.group = text("group_id");
        to.root_id = headers.root_id.clone().or_else(|| Some(headers.id.clone()));
        to.parent_id = Some(headers.id.clone());
    }
}

/// One signature or a list of them.
fn signatures(value: Option<&Value>) -> Vec<Signature> {
    let items = match value {
        Some(Value::Array(items)) => items.clone(),
        Some(one @ Value::Object(_)) => vec![one.clone()],
        _ => Vec::new(),
    };
    items
        .into_iter()
        .filter_map(|item| match serde_json::from_value(item) {
            Ok(signature) => Some(signature),
            Err(error) => {
                tracing::error!(%error, "a callback of a callback is no signature");
                None
            }
        })
        .collect()
}

/// A number of seconds that is one.
pub(crate) fn duration(seconds: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(seconds).ok()
}
