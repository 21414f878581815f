//! What fails with a failed task: everything that was to follow it, which somebody may wait for.

use serde_json::{Value, json};

use super::chord::ChordPart;
use super::signature::{many, one};
use crate::message::{Embed, Signature, TaskId};
use crate::result::{ExceptionInfo, ResultMeta, State};

/// Everything that ends because something before it has.
#[derive(Debug, Clone, Default)]
pub struct Fallout {
    /// Results to store.
    pub results: Vec<ResultMeta>,
    /// Members of chords that will never run.
    pub parts: Vec<ChordPart>,
    /// Callbacks to be told, each with the id of its task.
    pub errbacks: Vec<(TaskId, Signature)>,
}

/// What ends with the chain behind a task that ended as `end`.
#[must_use]
pub fn fall_out(embed: &Embed, end: &ResultMeta) -> Fallout {
    let mut fallout = Fallout::default();
    fallout.chain(embed.chain.clone().unwrap_or_default(), end);
    fallout
}

impl Fallout {
    /// A chord's body that will not run, because of `reason`: with its callbacks, what follows it, and
    /// the chord that it is itself a member of.
    #[must_use]
    pub fn of_body(body: &Signature, reason: &str) -> Self {
        let error = ExceptionInfo::new("celery.exceptions", "ChordError", reason);
        let mut fallout = Self::default();
        for task in leading(body) {
            let id = task
                .text("task_id")
                .map_or_else(TaskId::random, TaskId::from);
            let end = ResultMeta::exception(id.clone(), State::Failure, &error);
            for callback in many(task.options.get("link_error")) {
                fallout.errbacks.push((id.clone(), callback));
            }
            fallout.part(&task, &end);
            fallout.chain(many(task.options.get("chain")), &end);
            fallout.results.push(end);
        }
        fallout
    }

    fn chain(&mut self, chain: Vec<Signature>, end: &ResultMeta) {
        for next in chain {
            if next.is("chord") {
                if let Ok(body) = next.body() {
                    self.follower(&body, end);
                }
            } else {
                self.follower(&next, end);
            }
        }
    }

    fn follower(&mut self, task: &Signature, end: &ResultMeta) {
        if let Some(id) = task.text("task_id").filter(|_| !task.is("group")) {
            self.results.push(ResultMeta {
                task_id: id.into(),
                children: Vec::new(),
                rest: serde_json::Map::new(),
                ..end.clone()
            });
        }
        self.part(task, end);
    }

    /// `task` is a member of a chord's header that has ended without a run.
    fn part(&mut self, task: &Signature, end: &ResultMeta) {
        let body = task.options.get("chord").filter(|body| !body.is_null());
        let (Some(body), Some(group), Some(id)) =
            (body, task.text("group_id"), task.text("task_id"))
        else {
            return;
        };
        if let Ok(body) = one(body) {
            self.parts.push(ChordPart {
                group: group.to_owned(),
                index: task.options.get("group_index").and_then(Value::as_u64),
                task: id.into(),
                state: end.status,
                result: end.result.clone(),
                body,
            });
        }
    }
}

/// The tasks that a body of whatever kind begins with; with the rest of a chain as their own `chain`.
fn leading(body: &Signature) -> Vec<Signature> {
    let members = body.members().unwrap_or_default();
    match body.subtask_type.as_deref() {
        Some("group") => members,
        Some("chain") => {
            let mut members = members.into_iter();
            let Some(mut first) = members.next() else {
                return Vec::new();
            };
            let mut rest: Vec<_> = members.collect();
            if let Some(last) = rest.last_mut() {
                for option in ["chord", "group_id", "group_index", "task_id"] {
                    if let Some(value) = body.options.get(option) {
                        last.set_default(option, value.clone());
                    }
                }
            }
            rest.reverse();
            let mut chain = many(body.options.get("chain"));
            chain.extend(rest);
            first.set("chain", json!(chain));
            for callback in many(body.options.get("link_error")) {
                first = first.appended("link_error", &callback);
            }
            vec![first]
        }
        Some("chord") => body.body().into_iter().collect(),
        _ => vec![body.clone()],
    }
}
