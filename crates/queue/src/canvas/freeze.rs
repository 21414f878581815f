//! Ids for everything in a workflow, before any of it is sent: somebody may wait for any of them.

use serde_json::{Value, json};

use super::signature::{list, one};
use crate::error::QueueError;
use crate::message::{Signature, TaskId};

/// Gives every task of a workflow an id, and every group.
///
/// # Errors
/// It is no workflow.
pub fn freeze(signature: &mut Signature) -> Result<(), QueueError> {
    match signature.subtask_type.as_deref() {
        Some("group") => {
            signature.set_default("task_id", TaskId::random().as_str());
            freeze_list(signature, "tasks")
        }
        Some("chain") => freeze_list(signature, "tasks"),
        Some("chord") => {
            let (mut header, mut body) = (signature.header()?, signature.body()?);
            freeze(&mut header)?;
            if let Some(id) = signature.text("task_id").map(str::to_owned) {
                body.set_default("task_id", id);
            }
            freeze(&mut body)?;
            signature.kwargs.insert("header".to_owned(), json!(header));
            signature.kwargs.insert("body".to_owned(), json!(body));
            Ok(())
        }
        _ => {
            signature.set_default("task_id", TaskId::random().as_str());
            Ok(())
        }
    }
}

fn freeze_list(signature: &mut Signature, name: &str) -> Result<(), QueueError> {
    let mut tasks = list(signature.kwargs.get(name))?;
    for task in &mut tasks {
        freeze(task)?;
    }
    signature.kwargs.insert(name.to_owned(), json!(tasks));
    Ok(())
}

/// What a frozen workflow comes to, in Celery's form of results: `[[id, null], null]` for a task,
/// `[[id, null], [members…]]` for a group.
///
/// # Errors
/// It is no workflow, or not frozen.
pub fn outcome(signature: &Signature) -> Result<Value, QueueError> {
    let id = signature.text("task_id");
    let whole = |members: Value| json!([[id, null], members]);
    match signature.subtask_type.as_deref() {
        Some("group") => {
            let members = signature.members()?;
            let members: Result<Vec<_>, _> = members.iter().map(outcome).collect();
            Ok(whole(Value::Array(members?)))
        }
        Some("chain") => match signature.members()?.last() {
            Some(last) => outcome(last),
            None => Ok(whole(Value::Null)),
        },
        Some("chord") => outcome(&one(signature.kwargs.get("body").unwrap_or(&Value::Null))?),
        _ => Ok(whole(Value::Null)),
    }
}

/// The ids in an outcome whose ends are its end, in order.
pub(crate) fn leaves(outcome: &Value) -> Vec<TaskId> {
    match outcome.get(1) {
        Some(Value::Array(members)) => members.iter().flat_map(leaves).collect(),
        _ => outcome
            .pointer("/0/0")
            .and_then(Value::as_str)
            .map(TaskId::from)
            .into_iter()
            .collect(),
    }
}

/// How many ends a chord waits for in this part of its header.
pub(super) fn weight(signature: &Signature) -> Result<usize, QueueError> {
    match signature.subtask_type.as_deref() {
        Some("group") => signature.members()?.iter().map(weight).sum(),
        Some("chain") => {
            for member in signature.members()?.iter().rev() {
                let weight = weight(member)?;
                if weight > 0 {
                    return Ok(weight);
                }
            }
            Ok(0)
        }
        Some("chord") => weight(&signature.body()?),
        _ => Ok(1),
    }
}
