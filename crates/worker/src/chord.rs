//! The end of a chord's member, and what comes of it when it was the last.

use std::collections::VecDeque;

use kiuas_queue::QueueError;
use kiuas_queue::broker::{Broker, Finish};
use kiuas_queue::canvas::{ChordPart, ChordStep, Counted, Fallout, Plan};
use kiuas_queue::message::Envelope;

use crate::execute::Executor;
use crate::follow::Follow;

impl<S: Send + Sync + 'static, B: Broker> Executor<S, B> {
    /// Counts `parts`, of which the first is the task's own, if it has one, and adds to `finish` what
    /// comes of headers that are complete. A body that fails may be a member itself: so on outwards.
    pub(crate) async fn count(
        &self,
        envelope: &Envelope,
        parts: Vec<ChordPart>,
        finish: &mut Finish,
    ) {
        let follow = Follow {
            queue: &self.queue,
            registry: &self.registry,
            parent: envelope,
        };
        let mut parts = VecDeque::from(parts);
        while let Some(part) = parts.pop_front() {
            let own = finish.result.clone().filter(|it| it.task_id == part.task);
            let counted = self
                .insist(|| async {
                    match self.queue.count(&part, own.as_ref()).await {
                        Err(error) if !error.is_transient() => {
                            Ok(Counted::Failed(error.with_causes()))
                        }
                        other => other,
                    }
                })
                .await;
            let group = part.group.clone();
            match counted {
                Counted::Waiting => continue,
                Counted::Complete(results) => match follow.body(part.body.clone(), results) {
                    Ok(plan) => add(finish, plan),
                    Err(error) => {
                        let reason = format!("Callback error: {}", error.with_causes());
                        parts.extend(fail(&follow, &part, &reason, finish));
                    }
                },
                Counted::Failed(reason) => parts.extend(fail(&follow, &part, &reason, finish)),
            }
            finish.chords.push(ChordStep::End { group });
        }
    }
}

/// What comes of a chord whose body will not run; returns the outer chords' members that end with it.
fn fail<S: Send + Sync + 'static>(
    follow: &Follow<'_, S>,
    part: &ChordPart,
    reason: &str,
    finish: &mut Finish,
) -> Vec<ChordPart> {
    tracing::warn!(chord.group = part.group, "a chord has failed: {reason}");
    let fallout = Fallout::of_body(&part.body, reason);
    finish.dependents.extend(fallout.results);
    match follow.failure(fallout.errbacks) {
        Ok(plan) => add(finish, plan),
        Err(error) => complain(&error),
    }
    fallout.parts
}

fn add(finish: &mut Finish, plan: Plan) {
    finish.follow_ups.extend(plan.messages);
    finish.chords.extend(plan.chords);
}

fn complain(error: &QueueError) {
    let error = error.with_causes();
    tracing::error!(error, "cannot tell the error callbacks of a chord");
}
