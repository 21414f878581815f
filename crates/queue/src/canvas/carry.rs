//! From a workflow to its first messages.

use std::time::Duration;

use jiff::Timestamp;
use kiuas_common::telemetry::TraceContext;
use serde_json::{Map, Value, json};

use super::Plan;
use super::chord::ChordStep;
use super::freeze::{freeze, outcome, weight};
use super::signature::{many, one};
use crate::call::{Call, SendOptions};
use crate::error::QueueError;
use crate::message::{Signature, TaskId, parse_iso};

/// What every message of a plan has from whoever sends it.
pub struct Carrier<'a> {
    /// Where tasks go that name no queue.
    pub default_queue: &'a str,
    /// The queue of a task that this process knows.
    pub queue_of: &'a (dyn Fn(&str) -> Option<String> + Sync),
    /// First task of the workflow; absent: each message's own.
    pub root_id: Option<String>,
    /// The task that sends it.
    pub parent_id: Option<String>,
    /// Of tasks that name none.
    pub priority: u8,
    /// Where an `rpc://` producer expects the results.
    pub reply_to: Option<String>,
    /// The trace that it belongs to.
    pub trace: Option<TraceContext>,
}

/// What the parts of a workflow have from the whole.
#[derive(Clone, Default)]
struct Inherited<'a> {
    /// Put in front of the arguments of what is not immutable.
    first: Option<&'a Value>,
    /// The rest of the chain, last first.
    chain: Vec<Signature>,
}

impl Carrier<'_> {
    /// Carries out `signature`, with `first` in front of its arguments, and `chain` (last first) after it.
    ///
    /// # Errors
    /// It is no workflow, or comes to more messages than are sent at once.
    pub fn carry(
        &self,
        mut signature: Signature,
        first: Option<&Value>,
        chain: Vec<Signature>,
        plan: &mut Plan,
    ) -> Result<(), QueueError> {
        freeze(&mut signature)?;
        plan.children.push(outcome(&signature)?);
        self.dispatch(signature, Inherited { first, chain }, plan)
    }

    fn dispatch(
        &self,
        mut signature: Signature,
        mut inherited: Inherited<'_>,
        plan: &mut Plan,
    ) -> Result<(), QueueError> {
        let own = many(signature.options.remove("chain").as_ref());
        if inherited.chain.is_empty() {
            inherited.chain = own;
        }
        match signature.subtask_type.as_deref() {
            Some("group") => self.group(&signature, inherited, plan),
            Some("chain") => self.chain(&signature, inherited, plan),
            Some("chord") => self.chord(&signature, inherited, plan),
            Some("chunks") => self.group(&chunks(&signature)?, inherited, plan),
            None | Some("xmap" | "xstarmap") => self.task(signature, inherited, plan),
            Some(other) => Err(QueueError::Canvas {
                problem: format!("nothing is known of a `{other}`"),
            }),
        }
    }

    fn group(
        &self,
        group: &Signature,
        mut inherited: Inherited<'_>,
        plan: &mut Plan,
    ) -> Result<(), QueueError> {
        if let Some(next) = inherited.chain.pop() {
            return self.chord(&chord_of(group, &next)?, inherited, plan);
        }
        let id = group.text("task_id").unwrap_or_default().to_owned();
        let mut members = group.members()?;
        let chord = group.options.get("chord").filter(|body| !body.is_null());
        let outer = group.text("group_id").filter(|_| chord.is_some());
        for (index, member) in members.iter_mut().enumerate() {
            member.set_default("group_id", outer.unwrap_or(&id));
            member.set_default("group_index", index);
            if let Some(body) = chord {
                member.set_default("chord", body.clone());
            }
            for callback in many(group.options.get("link_error")) {
                *member = std::mem::take(member).appended("link_error", &callback);
            }
        }
        for member in members {
            let inherited = Inherited {
                first: inherited.first,
                chain: Vec::new(),
            };
            self.dispatch(member, inherited, plan)?;
        }
        Ok(())
    }

    fn chain(
        &self,
        chain: &Signature,
        mut inherited: Inherited<'_>,
        plan: &mut Plan,
    ) -> Result<(), QueueError> {
        let mut members = chain.members()?;
        if let Some(last) = members.last_mut() {
            // Whoever waits for the chain waits for its last task.
            for option in ["task_id", "chord", "group_id", "group_index"] {
                if let Some(value) = chain.options.get(option).filter(|value| !value.is_null()) {
                    last.set_default(option, value.clone());
                }
            }
            for callback in many(chain.options.get("link")) {
                *last = std::mem::take(last).appended("link", &callback);
            }
        }
        for callback in many(chain.options.get("link_error")) {
            for member in &mut members {
                *member = std::mem::take(member).appended("link_error", &callback);
            }
        }
        inherited.chain.extend(reversed(members)?);
        match inherited.chain.pop() {
            Some(first) => self.dispatch(first, inherited, plan),
            None => Ok(()),
        }
    }

    fn chord(
        &self,
        chord: &Signature,
        inherited: Inherited<'_>,
        plan: &mut Plan,
    ) -> Result<(), QueueError> {
        let (header, mut body) = (chord.header()?, chord.body()?);
        let members = header.members()?;
        for (name, value) in &chord.options {
            match name.as_str() {
                "link" | "link_error" => {
                    for callback in many(Some(value)) {
                        body = body.appended(name, &callback);
                    }
                }
                "parent_id" | "countdown" | "eta" => {}
                _ => body.set_default(name, value.clone()),
            }
        }
        if !inherited.chain.is_empty() {
            body.set("chain", json!(inherited.chain));
        }
        if members.is_empty() {
            let empty = json!([]);
            let inherited = Inherited {
                first: Some(&empty),
                chain: Vec::new(),
            };
            return self.dispatch(body, inherited, plan);
        }
        let group = header.text("task_id").unwrap_or_default().to_owned();
        body.set_default("group_id", group.as_str());
        self.header(&group, chord, members, (&body, inherited.first), plan)
    }

    fn header(
        &self,
        group: &str,
        chord: &Signature,
        members: Vec<Signature>,
        (body, first): (&Signature, Option<&Value>),
        plan: &mut Plan,
    ) -> Result<(), QueueError> {
        let outcomes: Vec<_> = members.iter().map(outcome).collect::<Result<_, _>>()?;
        if outcomes.iter().any(|outcome| outcome[1].is_array()) {
            plan.chords.push(ChordStep::Shape {
                group: group.to_owned(),
                outcome: json!([[group, null], outcomes]),
            });
        }
        let size = members.iter().map(weight).sum::<Result<usize, _>>()?;
        plan.chords.push(ChordStep::Begin {
            group: group.to_owned(),
            size,
        });
        for (index, mut member) in members.into_iter().enumerate() {
            member.set("group_id", group);
            member.set("group_index", index);
            member.set("chord", json!(body));
            for option in ["countdown", "eta"] {
                if let Some(value) = chord.options.get(option).filter(|value| !value.is_null()) {
                    member.set_default(option, value.clone());
                }
            }
            let inherited = Inherited {
                first,
                chain: Vec::new(),
            };
            self.dispatch(member, inherited, plan)?;
        }
        Ok(())
    }

    fn task(
        &self,
        signature: Signature,
        inherited: Inherited<'_>,
        plan: &mut Plan,
    ) -> Result<(), QueueError> {
        let mut args = signature.args;
        if let Some(first) = inherited.first
            && !signature.immutable.unwrap_or(false)
        {
            args.insert(0, first.clone());
        }
        let mut options = self.options(&signature.task, &signature.options);
        // In a call the chain is in its order, on the wire last first.
        options.chain = inherited.chain.into_iter().rev().collect();
        let mut call = Call::new(&signature.task, args, signature.kwargs);
        call.options = options;
        plan.push(call.message(self.default_queue, self.trace.clone())?)
    }

    /// `apply_async`'s options, as far as they have a meaning here.
    fn options(&self, task: &str, options: &Map<String, Value>) -> SendOptions {
        let text = |name: &str| options.get(name).and_then(Value::as_str).map(str::to_owned);
        let seconds = |name: &str| {
            let seconds = options.get(name).and_then(Value::as_f64)?;
            Duration::try_from_secs_f64(seconds).ok()
        };
        let time = |relative: &str, absolute: &str| {
            let pause = seconds(relative).and_then(|it| Timestamp::now().checked_add(it).ok());
            pause.or_else(|| text(absolute).and_then(|at| parse_iso(&at)))
        };
        let queue = text("queue").or_else(|| text("routing_key"));
        let priority = options.get("priority").and_then(Value::as_u64);
        let priority = priority.and_then(|priority| u8::try_from(priority).ok());
        let id = text("task_id").map(TaskId::from);
        SendOptions {
            queue: queue.or_else(|| (self.queue_of)(task)),
            priority: priority.unwrap_or(self.priority),
            eta: time("countdown", "eta"),
            expires: time("expires", "expires"),
            soft_time_limit: seconds("soft_time_limit"),
            hard_time_limit: seconds("time_limit"),
            ignore_result: options.get("ignore_result") == Some(&Value::Bool(true)),
            link: many(options.get("link")),
            link_error: many(options.get("link_error")),
            chain: Vec::new(),
            root_id: self.root_id.clone().or_else(|| text("root_id")),
            parent_id: self.parent_id.clone(),
            group: text("group_id"),
            group_index: options.get("group_index").and_then(Value::as_u64),
            chord: options.get("chord").filter(|it| !it.is_null()).cloned(),
            reply_to: self.reply_to.clone().or_else(|| text("reply_to")),
            id,
        }
    }
}

/// The members of a chain as they travel, last first; a group that something follows is a chord. Whoever
/// takes them up takes them as they are, so they are made what they are to be here.
fn reversed(members: Vec<Signature>) -> Result<Vec<Signature>, QueueError> {
    let mut reversed: Vec<Signature> = Vec::with_capacity(members.len());
    for member in members.into_iter().rev() {
        let next = if member.is("group") {
            reversed.pop()
        } else {
            None
        };
        reversed.push(match next {
            Some(next) => chord_of(&member, &next)?,
            None => member,
        });
    }
    Ok(reversed)
}

fn chord_of(header: &Signature, body: &Signature) -> Result<Signature, QueueError> {
    let mut chord = Signature::chord(Vec::new(), body);
    chord.kwargs.insert("header".to_owned(), json!(header));
    freeze(&mut chord)?;
    Ok(chord)
}

/// A `chunks` as the group that it stands for: so many items a task.
fn chunks(signature: &Signature) -> Result<Signature, QueueError> {
    let task = one(signature.kwargs.get("task").unwrap_or(&Value::Null))?;
    let items = signature.kwargs.get("it").and_then(Value::as_array);
    let size = signature.kwargs.get("n").and_then(Value::as_u64);
    let size = size
        .and_then(|size| usize::try_from(size).ok())
        .unwrap_or(1);
    let chunk = |items: &[Value]| Signature {
        task: "celery.starmap".to_owned(),
        kwargs: [
            ("task".to_owned(), json!(task)),
            ("it".to_owned(), json!(items)),
        ]
        .into_iter()
        .collect(),
        subtask_type: Some("xstarmap".to_owned()),
        ..Signature::default()
    };
    let items = items.map(Vec::as_slice).unwrap_or_default();
    let mut group = Signature::group(items.chunks(size.max(1)).map(chunk).collect());
    group.options.clone_from(&signature.options);
    freeze(&mut group)?;
    Ok(group)
}
