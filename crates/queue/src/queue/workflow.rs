//! Sending workflows, and what workers ask about those that run.

use kiuas_common::telemetry::TraceContext;
use tracing::Instrument;

use super::Queue;
use crate::canvas::{Carrier, ChordPart, Counted, Plan, Sent, freeze, leaves, outcome};
use crate::error::QueueError;
use crate::message::{Signature, TaskId};
use crate::result::ResultMeta;

impl Queue {
    /// Sends a workflow: a task, a chain, a group, a chord.
    ///
    /// ```text
    /// let add = |x, y| Call::new("math.add", vec![json!(x), json!(y)], Map::new()).into();
    /// let total = Call::new("math.sum", Vec::new(), Map::new()).into();
    /// let sent = queue.send_canvas(Signature::chord(vec![add(1, 2), add(3, 4)], &total)).await?;
    /// queue.wait(&sent.id, limit).await?;   // 10
    /// ```
    ///
    /// # Errors
    /// It is no workflow; or as [`Queue::send`], and a part of it may have been sent.
    pub async fn send_canvas(&self, mut workflow: Signature) -> Result<Sent, QueueError> {
        let span = tracing::info_span!(
            "send workflow",
            otel.kind = "producer",
            messaging.system = self.settings.broker.system(),
            task.name = %workflow.task,
        );
        freeze(&mut workflow)?;
        let whole = outcome(&workflow)?;
        let members = leaves(&whole);
        let id = match whole.pointer("/0/0").and_then(serde_json::Value::as_str) {
            Some(id) => TaskId::from(id),
            None => TaskId::random(),
        };
        let carrier = Carrier {
            default_queue: &self.settings.default_queue,
            queue_of: &|_| None,
            root_id: None,
            parent_id: None,
            priority: 0,
            reply_to: None,
            trace: TraceContext::of(&span),
        };
        let mut plan = Plan::default();
        carrier.carry(workflow, None, Vec::new(), &mut plan)?;
        self.carry_out(&plan).instrument(span).await?;
        Ok(Sent { id, members })
    }

    /// Does what a plan says.
    async fn carry_out(&self, plan: &Plan) -> Result<(), QueueError> {
        let period = self.settings.result_expires;
        self.results.note(&plan.chords, period).await?;
        self.push(&plan.messages).await
    }

    /// Counts the end of a chord's member, with `result` stored first.
    ///
    /// # Errors
    /// The place of the results does not answer; ask again, it is counted once.
    pub async fn count(
        &self,
        part: &ChordPart,
        result: Option<&ResultMeta>,
    ) -> Result<Counted, QueueError> {
        let period = self.settings.result_expires;
        self.results.count(part, result, period).await
    }
}
