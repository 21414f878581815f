//! One look at all entries: the leader enqueues what is due, a follower checks that somebody did.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use kiuas_queue::QueueError;
use kiuas_queue::message::Outgoing;
use tracing::{Span, field};

use super::{ASK_AGAIN, Beat, LONGEST_SLEEP, grace};
use crate::entry::Checked;
use crate::error::BeatError;
use crate::line::{Due, Line};
use crate::tick::{self, Tick};

/// How many leases a follower acts beside a leader that let ticks pass.
const ACTING: i32 = 6;

/// Where a beat stands with all entries.
#[derive(Debug)]
pub(super) struct Pass<'a> {
    beat: &'a Beat,
    lines: Vec<Line>,
    grace: SignedDuration,
    lease: SignedDuration,
    /// The leader is not trusted until then.
    acting_until: Option<Timestamp>,
    /// When a follower last checked the leader.
    checked: Option<Timestamp>,
    acts: bool,
}

impl<'a> Pass<'a> {
    pub(super) fn new(beat: &'a Beat, lines: Vec<Line>) -> Self {
        let lease = SignedDuration::try_from(beat.settings.lease.duration());
        Self {
            beat,
            lines,
            grace: grace(&beat.settings),
            lease: lease.unwrap_or(SignedDuration::MAX),
            acting_until: None,
            checked: None,
            acts: false,
        }
    }

    /// Enqueues what is due, or checks that the leader does.
    ///
    /// # Errors
    /// PostgreSQL is not usable. Nothing is lost: the next pass finds the same ticks due.
    pub(super) async fn run(&mut self, leads: bool, now: Timestamp) -> Result<(), BeatError> {
        self.acts = leads || self.acting_until.is_some_and(|until| now < until);
        let outcome = if self.acts {
            self.fire(now).await
        } else if self
            .checked
            .is_none_or(|last| now.duration_since(last) > self.lease / 2)
        {
            self.checked = Some(now);
            self.check_leader(now).await
        } else {
            Ok(())
        };
        self.beat.lateness.set(self.next());
        outcome
    }

    /// How long to sleep at `now`.
    pub(super) fn pause(&self, now: Timestamp) -> Duration {
        if !self.acts {
            return ASK_AGAIN;
        }
        let left = self.next().map(|next| next.duration_since(now));
        left.map_or(LONGEST_SLEEP, |left| {
            Duration::try_from(left)
                .unwrap_or_default()
                .min(LONGEST_SLEEP)
        })
    }

    /// The clock was set back: what is due is counted from `now` again. Ticks that were enqueued
    /// before it was are in the history, and are not enqueued twice.
    pub(super) fn begin_again(&mut self, now: Timestamp) {
        for line in &mut self.lines {
            line.advance(now);
        }
        (self.acting_until, self.checked) = (None, None);
    }

    async fn fire(&mut self, now: Timestamp) -> Result<(), BeatError> {
        let mut handled = Vec::new();
        let mut ticks = Vec::new();
        let mut spans = Vec::new();
        for (index, line) in self.lines.iter().enumerate() {
            let Some(due) = line.due(now, self.grace) else {
                continue;
            };
            for at in &due.ticks {
                match self.tick(line.entry(), *at) {
                    Ok((tick, span)) => {
                        ticks.push(tick);
                        spans.push(span);
                    }
                    Err(error) => self.give_up(&line.entry().name, &error),
                }
            }
            handled.push((index, due));
        }
        if !ticks.is_empty() {
            let claimed = tick::claim(&self.beat.postgres, &ticks, &self.beat.host).await?;
            for ((tick, span), claimed) in ticks.iter().zip(&spans).zip(claimed) {
                self.record(tick, span, claimed);
            }
        }
        for (index, due) in handled {
            self.finish(index, &due);
        }
        Ok(())
    }

    /// The tick's message, inside the root span of its trace.
    fn tick(&self, entry: &Checked, due: Timestamp) -> Result<(Tick, Span), QueueError> {
        let span = tracing::info_span!(
            parent: None,
            "beat",
            otel.name = %format_args!("beat {}", entry.name),
            beat.entry = %entry.name,
            beat.due_at = %due,
            beat.enqueued = field::Empty,
        );
        let message = span.in_scope(|| self.message(entry))?;
        let tick = Tick {
            entry: entry.name.clone(),
            due,
            message,
        };
        Ok((tick, span))
    }

    fn message(&self, entry: &Checked) -> Result<Outgoing, QueueError> {
        let call = entry.call()?;
        let span = tracing::info_span!(
            "send",
            otel.name = %format_args!("send {}", call.name),
            otel.kind = "producer",
            messaging.system = "redis",
            messaging.operation.name = "send",
            task.name = %call.name,
        );
        span.in_scope(|| self.beat.queue.prepare(call))
    }

    fn record(&self, tick: &Tick, span: &Span, claimed: bool) {
        span.record("beat.enqueued", claimed);
        if claimed {
            self.beat.measure.enqueued(&tick.entry, tick.due);
            tracing::debug!(
                beat.entry = %tick.entry,
                beat.due_at = %tick.due,
                task.id = %tick.message.id,
                "enqueued the tick of `{}`",
                tick.entry
            );
        }
    }

    fn give_up(&self, entry: &str, error: &QueueError) {
        self.beat.measure.failed(entry);
        tracing::error!(beat.entry = %entry, %error, "cannot write the task of entry `{entry}`");
    }

    fn finish(&mut self, index: usize, due: &Due) {
        let Some(line) = self.lines.get_mut(index) else {
            return;
        };
        line.advance(due.until);
        if due.missed > 0 {
            let entry = &line.entry().name;
            self.beat.measure.missed(entry, due.missed);
            tracing::warn!(
                beat.entry = %entry,
                beat.missed = due.missed,
                "entry `{entry}` missed {} ticks",
                due.missed
            );
        }
    }

    /// A leader may hang, or know fewer entries than this beat. What was due a lease ago must be in the
    /// history by now; if it is not, this beat acts too, for a while.
    async fn check_leader(&mut self, now: Timestamp) -> Result<(), BeatError> {
        let edge = now.checked_sub(self.lease).unwrap_or(Timestamp::MIN);
        let due = |line: &Line| line.due(edge, self.grace);
        let all: Vec<(usize, Due)> = self
            .lines
            .iter()
            .enumerate()
            .filter_map(|(index, line)| Some((index, due(line)?)))
            .collect();
        let newest: Vec<(&str, Timestamp)> = all
            .iter()
            .filter_map(|(index, due)| {
                let name = self.lines.get(*index)?.entry().name.as_str();
                Some((name, *due.ticks.last()?))
            })
            .collect();
        let open = match newest.is_empty() {
            true => 0,
            false => tick::open(&self.beat.postgres, &newest, now).await?,
        };
        if open > 0 {
            tracing::warn!(
                beat.open = open,
                "the leader let {open} ticks pass, acting for it"
            );
            self.acting_until = now.checked_add(self.lease * ACTING).ok();
            return Ok(());
        }
        for (index, due) in all {
            if let Some(line) = self.lines.get_mut(index) {
                line.advance(due.until);
            }
        }
        Ok(())
    }

    fn next(&self) -> Option<Timestamp> {
        self.lines.iter().filter_map(Line::next).min()
    }
}
