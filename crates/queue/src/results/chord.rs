//! The ends of the members of chords, counted where the results are.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::LazyLock;
use std::time::Duration;

use kiuas_common::Period;
use redis::{Pipeline, Script};
use serde_json::Value;

use super::Results;
use crate::canvas::{ChordPart, ChordStep, Counted, join, leaves};
use crate::error::QueueError;
use crate::message::{MessageError, TaskId};
use crate::redis::LATE;
use crate::result::ResultMeta;

static PART: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("../redis/lua/chord_part.lua")));

/// How long the body may take to be sent before another may send it, in seconds.
const CLAIM: u64 = 60;
/// How long the results of a header of other shape may take to be there: they are stored before they
/// are counted, by Celery too.
const PATIENCE: Duration = Duration::from_secs(10);

impl Results {
    /// Notes what becomes of chords.
    pub(crate) async fn note(&self, steps: &[ChordStep], period: Period) -> Result<(), QueueError> {
        if steps.is_empty() {
            return Ok(());
        }
        let (connection, keys) = match self {
            Self::Redis(connection, keys) => (connection, keys),
            Self::Memory(store) => {
                store.note(steps);
                return Ok(());
            }
        };
        let seconds = period.duration().as_secs().max(1);
        let mut pipeline = Pipeline::new();
        for step in steps {
            match step {
                ChordStep::Begin { group, size } => {
                    pipeline.set_ex(keys.group(group, ".s"), *size, seconds)
                }
                ChordStep::Shape { group, outcome } => {
                    let text = serde_json::json!({ "result": outcome }).to_string();
                    pipeline.set_ex(keys.group(group, ""), text, seconds)
                }
                ChordStep::End { group } => {
                    for suffix in [".j", ".t", ".s", ".d"] {
                        pipeline.del(keys.group(group, suffix)).ignore();
                    }
                    pipeline.set_ex(keys.group(group, ".c"), "done", LATE)
                }
            }
            .ignore();
        }
        pipeline.atomic();
        connection.pipeline("note a chord", &pipeline).await
    }

    /// Stores the end of a chord's member and counts it, once however often it comes.
    pub(crate) async fn count(
        &self,
        part: &ChordPart,
        result: Option<&ResultMeta>,
        period: Period,
    ) -> Result<Counted, QueueError> {
        let (connection, keys) = match self {
            Self::Redis(connection, keys) => (connection, keys),
            Self::Memory(store) => {
                store.store(
                    result.map(std::slice::from_ref).unwrap_or_default(),
                    period.duration(),
                );
                return self.arranged(store.count(part)).await;
            }
        };
        let text = match result {
            Some(meta) => serde_json::to_string(meta).map_err(MessageError::Write)?,
            None => String::new(),
        };
        let seconds = period.duration().as_secs().max(1);
        let mut call = PART.prepare_invoke();
        for suffix in [".j", ".t", ".s", ".d", "", ".c"] {
            call.key(keys.group(&part.group, suffix));
        }
        call.key(keys.result(&part.task));
        call.arg(part.task.as_str())
            .arg(part.entry())
            .arg(part.score())
            .arg(seconds)
            .arg(CLAIM)
            .arg(part.claimant())
            .arg(text)
            .arg(seconds);
        let found: Option<(Vec<String>, String)> =
            connection.script("count a chord's member", &call).await?;
        let complete = found.map(|(entries, shape)| {
            let entries = entries
                .iter()
                .filter_map(|it| serde_json::from_str(it).ok());
            let shape: Option<Value> = serde_json::from_str(&shape).ok();
            let outcome = shape.and_then(|mut shape| Some(shape.get_mut("result")?.take()));
            (entries.collect(), outcome)
        });
        self.arranged(complete).await
    }

    /// The results of a complete header, in its shape.
    async fn arranged(
        &self,
        complete: Option<(Vec<Value>, Option<Value>)>,
    ) -> Result<Counted, QueueError> {
        match complete {
            None => Ok(Counted::Waiting),
            Some((entries, None)) => Ok(join(&entries)),
            Some((_, Some(outcome))) => self.read_shape(&outcome).await,
        }
    }

    async fn read_shape(&self, outcome: &Value) -> Result<Counted, QueueError> {
        let mut found = HashMap::new();
        for id in leaves(outcome) {
            let waited = tokio::time::timeout(PATIENCE, self.await_end(&id)).await;
            let Ok(meta) = waited else {
                let reason = format!("Dependency {id} has no result");
                return Ok(Counted::Failed(reason));
            };
            let meta = meta?;
            let entry = serde_json::json!([1, id, meta.status, meta.result]);
            if let failed @ Counted::Failed(_) = join(&[entry]) {
                return Ok(failed);
            }
            found.insert(id, meta.result);
        }
        match shaped(outcome, &mut found) {
            Value::Array(results) => Ok(Counted::Complete(results)),
            other => Ok(Counted::Complete(vec![other])),
        }
    }
}

/// `outcome` with the results in the places of the tasks.
fn shaped(outcome: &Value, found: &mut HashMap<TaskId, Value>) -> Value {
    match outcome.get(1) {
        Some(Value::Array(members)) => members.iter().map(|member| shaped(member, found)).collect(),
        _ => outcome
            .pointer("/0/0")
            .and_then(Value::as_str)
            .and_then(|id| found.get(&TaskId::from(id)).cloned())
            .unwrap_or_default(),
    }
}

/// A chord in the memory broker.
#[derive(Debug, Default)]
pub(crate) struct Chord {
    size: Option<usize>,
    outcome: Option<Value>,
    /// By place, then by arrival.
    entries: BTreeMap<(u64, usize), Value>,
    members: HashSet<String>,
    claimant: Option<String>,
    is_done: bool,
}

impl Chord {
    pub(crate) fn is_done(&self) -> bool {
        self.is_done
    }

    pub(crate) fn note(&mut self, step: &ChordStep) {
        match step {
            ChordStep::Begin { size, .. } => self.size = Some(*size),
            ChordStep::Shape { outcome, .. } => self.outcome = Some(outcome.clone()),
            ChordStep::End { .. } => {
                *self = Self {
                    is_done: true,
                    ..Self::default()
                }
            }
        }
    }

    pub(crate) fn count(&mut self, part: &ChordPart) -> Option<(Vec<Value>, Option<Value>)> {
        if self.is_done {
            return None;
        }
        let claimant = part.claimant();
        if self.members.insert(claimant.clone()) {
            let place = (part.index.unwrap_or(u64::MAX), self.entries.len());
            let entry = serde_json::json!([1, part.task, part.state, part.result]);
            self.entries.insert(place, entry);
        }
        let is_complete = self.size == Some(self.entries.len());
        let is_ours = self.claimant.as_ref().is_none_or(|it| *it == claimant);
        if !is_complete || !is_ours {
            return None;
        }
        self.claimant = Some(claimant);
        Some((
            self.entries.values().cloned().collect(),
            self.outcome.clone(),
        ))
    }
}
