//! The end of a delivery: one script that does everything that follows from it, or nothing.

use std::sync::LazyLock;

use kiuas_common::Period;
use redis::Script;

use super::keys::{Keys, step};
use crate::broker::{Delivery, Finish, Hold};
use crate::canvas::ChordStep;
use crate::connection::SharedConnection;
use crate::error::QueueError;
use crate::message::MessageError;
use crate::poison::dead_letter;
use crate::result::ResultMeta;
use crate::settings::QueueSettings;

/// How long a chord's body is remembered as sent, in seconds: a late copy of a member changes nothing.
pub(crate) const LATE: u64 = 86_400;

static SETTLE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("lua/settle.lua")));

/// What happens to the text of a settled delivery, or follows from it.
pub(super) enum Effect {
    /// To the front of the list: next to be served.
    Front { list: String, text: Vec<u8> },
    /// To the back of the list.
    Back { list: String, text: Vec<u8> },
    /// Into the set of what waits for its time (seconds since 1970).
    Later {
        set: String,
        score: String,
        member: Vec<u8>,
    },
    /// The result of a task, and how long it is kept.
    Result {
        key: String,
        seconds: u64,
        text: Vec<u8>,
    },
    /// A value that is kept for a while.
    Set {
        key: String,
        seconds: u64,
        text: Vec<u8>,
    },
    /// The body of a chord is on its way: the group's key without its ending.
    Joined { group: String },
    /// To a list that no worker reads.
    Aside { list: String, text: Vec<u8> },
}

/// What to do, in the script's terms.
pub(super) struct Settle<'a> {
    pub(super) tag: &'a str,
    /// Do nothing if this key exists.
    pub(super) guard: Option<String>,
    pub(super) effects: Vec<Effect>,
}

impl<'a> Settle<'a> {
    pub(super) fn new(tag: &'a str, effects: Vec<Effect>) -> Self {
        Self {
            tag,
            guard: None,
            effects,
        }
    }

    pub(super) async fn run(
        &self,
        connection: &SharedConnection,
        keys: &Keys,
    ) -> Result<Hold, QueueError> {
        let mut call = SETTLE.prepare_invoke();
        call.key(keys.unacked())
            .key(keys.unacked_index())
            .arg(self.tag)
            .arg(self.guard.as_deref().unwrap_or_default());
        let nothing = Vec::new();
        for effect in &self.effects {
            let (what, key, number, text) = match effect {
                Effect::Front { list, text } => ("front", list, String::new(), text),
                Effect::Back { list, text } => ("back", list, String::new(), text),
                Effect::Later { set, score, member } => ("later", set, score.clone(), member),
                Effect::Result { key, seconds, text } => ("result", key, seconds.to_string(), text),
                Effect::Set { key, seconds, text } => ("set", key, seconds.to_string(), text),
                Effect::Joined { group } => ("joined", group, LATE.to_string(), &nothing),
                Effect::Aside { list, text } => ("aside", list, String::new(), text),
            };
            call.arg(what).arg(key).arg(number).arg(text.as_slice());
        }
        let done: u8 = connection.script("end a task", &call).await?;
        Ok(if done == 1 { Hold::Kept } else { Hold::Lost })
    }
}

/// A message that waits: its step, a name that makes it unique, and itself.
pub(super) fn later(
    keys: &Keys,
    queue: &str,
    priority: u8,
    tag: &str,
    eta: jiff::Timestamp,
    text: &[u8],
) -> Effect {
    let mut member = format!("{} {tag} ", step(priority)).into_bytes();
    member.extend_from_slice(text);
    // Whole microseconds are enough, and exact.
    let micros = eta.as_microsecond();
    let score = format!(
        "{}.{:06}",
        micros.div_euclid(1_000_000),
        micros.rem_euclid(1_000_000)
    );
    Effect::Later {
        set: keys.eta(queue),
        score,
        member,
    }
}

/// A result that is kept for `period`.
pub(super) fn result(
    keys: &Keys,
    meta: &ResultMeta,
    period: Period,
) -> Result<Effect, MessageError> {
    Ok(Effect::Result {
        key: keys.result(&meta.task_id),
        seconds: period.duration().as_secs().max(1),
        text: serde_json::to_vec(meta).map_err(MessageError::Write)?,
    })
}

/// What becomes of a chord.
fn chord(keys: &Keys, step: &ChordStep, period: Period) -> Effect {
    let seconds = period.duration().as_secs().max(1);
    match step {
        ChordStep::Begin { group, size } => Effect::Set {
            key: keys.group(group, ".s"),
            seconds,
            text: size.to_string().into_bytes(),
        },
        ChordStep::Shape { group, outcome } => Effect::Set {
            key: keys.group(group, ""),
            seconds,
            text: serde_json::json!({ "result": outcome })
                .to_string()
                .into_bytes(),
        },
        ChordStep::End { group } => Effect::Joined {
            group: keys.group(group, ""),
        },
    }
}

/// What follows from a finished task.
pub(super) fn effects(
    keys: &Keys,
    settings: &QueueSettings,
    delivery: &Delivery,
    finish: &Finish,
) -> Result<Vec<Effect>, MessageError> {
    let period = settings.result_expires;
    let mut effects: Vec<_> = finish
        .chords
        .iter()
        .map(|step| chord(keys, step, period))
        .collect();
    effects.extend(finish.follow_ups.iter().map(|message| Effect::Back {
        list: keys.list(&message.queue, message.priority),
        text: message.text.clone().into_bytes(),
    }));
    if let Some((eta, message)) = &finish.again {
        effects.push(later(
            keys,
            &message.queue,
            message.priority,
            &delivery.tag,
            *eta,
            message.text.as_bytes(),
        ));
    }
    if let Some(reason) = &finish.dead {
        effects.push(Effect::Aside {
            list: keys.dead(&delivery.queue),
            text: dead_letter(&delivery.raw, &delivery.queue, reason, &delivery.tag),
        });
    }
    for meta in finish.result.iter().chain(&finish.dependents) {
        effects.push(result(keys, meta, period)?);
    }
    Ok(effects)
}
