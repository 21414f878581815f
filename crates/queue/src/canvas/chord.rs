//! What is known of a chord while its header runs: Celery's keys, and its rules.

use serde_json::{Value, json};

use crate::message::{Signature, TaskId};
use crate::result::State;

/// What has to happen beside the messages of a plan.
#[derive(Debug, Clone, PartialEq)]
pub enum ChordStep {
    /// A chord begins: so many ends complete it.
    Begin {
        /// The group of its header.
        group: String,
        /// How many ends.
        size: usize,
    },
    /// The header is more than a list of tasks: its shape, in which the results come to the body.
    Shape {
        /// The group of its header.
        group: String,
        /// As [`super::outcome`] gives it.
        outcome: Value,
    },
    /// The body is sent: what was known of the header goes, and who comes late changes nothing.
    End {
        /// The group of its header.
        group: String,
    },
}

/// The end of one member of a chord's header.
#[derive(Debug, Clone, PartialEq)]
pub struct ChordPart {
    /// The group of the header.
    pub group: String,
    /// The member's place; absent: last.
    pub index: Option<u64>,
    /// The member.
    pub task: TaskId,
    /// How it ended.
    pub state: State,
    /// The value, or the exception in Celery's form.
    pub result: Value,
    /// The chord's body.
    pub body: Signature,
}

impl ChordPart {
    /// The entry of the header's list, as Celery writes it.
    #[must_use]
    pub fn entry(&self) -> String {
        json!([1, self.task, self.state, self.result]).to_string()
    }

    /// The place as a score of the sorted set.
    #[must_use]
    pub fn score(&self) -> String {
        self.index
            .map_or_else(|| "+inf".to_owned(), |index| index.to_string())
    }

    /// Who counts: the same in every run of this member, so that one that was interrupted after it had
    /// completed the header goes on.
    #[must_use]
    pub fn claimant(&self) -> String {
        format!("kiuas:{}:{}", self.task, self.score())
    }
}

/// What counting a part has come to.
#[derive(Debug, Clone, PartialEq)]
pub enum Counted {
    /// Others are still to end, or somebody else sends the body.
    Waiting,
    /// All have ended, and it is ours to send the body: the results in the header's form.
    Complete(Vec<Value>),
    /// All have ended, one of them badly: the reason, as Celery says it.
    Failed(String),
}

/// What the entries of a complete header come to.
pub(crate) fn join(entries: &[Value]) -> Counted {
    let mut results = Vec::with_capacity(entries.len());
    for entry in entries {
        let state = entry.get(2).and_then(Value::as_str).unwrap_or_default();
        let result = entry.get(3).unwrap_or(&Value::Null);
        if matches!(state, "FAILURE" | "REVOKED") {
            let id = entry.get(1).and_then(Value::as_str).unwrap_or_default();
            return Counted::Failed(format!("Dependency {id} raised {}", raised(result)));
        }
        results.push(result.clone());
    }
    Counted::Complete(results)
}

/// An exception as Python prints it.
pub(crate) fn raised(exception: &Value) -> String {
    let name = exception.get("exc_type").and_then(Value::as_str);
    let arguments: Vec<_> = match exception.get("exc_message") {
        Some(Value::Array(items)) => items.iter().map(crate::message::python_repr).collect(),
        Some(Value::Null) | None => Vec::new(),
        Some(other) => vec![crate::message::python_repr(other)],
    };
    format!("{}({})", name.unwrap_or("Exception"), arguments.join(", "))
}
