//! What is in the queues, in workers' hands, waiting, dead and stored.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::Notify;

use crate::canvas::{ChordPart, ChordStep};
use crate::error::QueueError;
use crate::message::{Outgoing, TaskId};
use crate::poison::MOST_LETTERS;
use crate::redis::{STEPS, step};
use crate::result::{ResultMeta, State};
use crate::results::Chord;

/// Most messages in all queues together, waiting ones included.
pub(crate) const MOST_MESSAGES: usize = 100_000;
/// Most results kept; expired ones make room first.
const MOST_RESULTS: usize = 100_000;

/// Most chords remembered after their end.
const MOST_CHORDS: usize = 10_000;

/// One broker's memory. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Store {
    contents: Arc<Mutex<Contents>>,
    /// Told when a queue has got something.
    pub(super) filled: Arc<Notify>,
    /// Told when a result was stored.
    stored: Arc<Notify>,
}

/// A message of a queue.
#[derive(Debug, Clone)]
pub(super) struct Waiting {
    pub(super) queue: String,
    pub(super) priority: u8,
    pub(super) text: Vec<u8>,
}

/// A message in a worker's hands.
#[derive(Debug, Clone)]
pub(super) struct Held {
    pub(super) owner: String,
    pub(super) number: u64,
    pub(super) queue: String,
    pub(super) raw: Vec<u8>,
}

#[derive(Debug, Default)]
pub(super) struct Contents {
    lists: HashMap<String, [VecDeque<Vec<u8>>; STEPS.len()]>,
    listed: usize,
    pub(super) later: BTreeMap<(Timestamp, u64), Waiting>,
    later_number: u64,
    pub(super) held: HashMap<String, Held>,
    /// Until when each worker's lease lasts.
    pub(super) leases: HashMap<String, Instant>,
    pub(super) dead: HashMap<String, VecDeque<Vec<u8>>>,
    pub(super) malformed: HashMap<String, VecDeque<Vec<u8>>>,
    results: HashMap<TaskId, (Instant, ResultMeta)>,
    chords: HashMap<String, Chord>,
}

impl Store {
    /// Puts messages into their queues, all or none.
    pub(crate) fn push(&self, messages: &[Outgoing]) -> Result<(), QueueError> {
        self.with(|contents| {
            contents.room_for(messages.len())?;
            for message in messages {
                contents.push(Waiting::from(message), false);
            }
            Ok::<(), QueueError>(())
        })?;
        self.filled.notify_waiters();
        Ok(())
    }

    /// Stores results.
    pub(crate) fn store(&self, results: &[ResultMeta], period: Duration) {
        self.with(|contents| {
            for meta in results {
                contents.store(meta.clone(), period);
            }
        });
        self.announce_results();
    }

    /// Notes what becomes of chords.
    pub(crate) fn note(&self, steps: &[ChordStep]) {
        self.with(|contents| contents.note(steps));
    }

    /// Counts the end of a chord's member.
    pub(crate) fn count(&self, part: &ChordPart) -> Option<(Vec<Value>, Option<Value>)> {
        self.with(|contents| contents.chord(&part.group).count(part))
    }

    pub(super) fn with<T>(&self, act: impl FnOnce(&mut Contents) -> T) -> T {
        act(&mut self.contents.lock())
    }

    pub(super) fn announce_results(&self) {
        self.stored.notify_waiters();
    }

    /// What is stored about a task.
    pub(crate) fn result(&self, id: &TaskId) -> Option<ResultMeta> {
        self.with(|contents| {
            let (until, meta) = contents.results.get(id)?;
            (*until > Instant::now()).then(|| meta.clone())
        })
    }

    /// Waits for a task's end.
    pub(crate) async fn await_end(&self, id: &TaskId) -> ResultMeta {
        loop {
            // Made before the look: what is stored in between is not missed.
            let stored = self.stored.notified();
            match self.result(id) {
                Some(meta) if meta.status.is_final() => return meta,
                _ => stored.await,
            }
        }
    }
}

impl From<&Outgoing> for Waiting {
    fn from(message: &Outgoing) -> Self {
        Self {
            queue: message.queue.clone(),
            priority: message.priority,
            text: message.text.clone().into_bytes(),
        }
    }
}

impl Contents {
    /// Fails if so many more would be too many.
    pub(super) fn room_for(&self, more: usize) -> Result<(), QueueError> {
        if self.listed + self.later.len() + more > MOST_MESSAGES {
            return Err(QueueError::Full {
                limit: MOST_MESSAGES,
            });
        }
        Ok(())
    }

    /// To the end of its queue, or to the front of it.
    pub(super) fn push(&mut self, message: Waiting, in_front: bool) {
        let lists = self.lists.entry(message.queue).or_default();
        let at = STEPS.iter().position(|it| *it == step(message.priority));
        if let Some(list) = lists.get_mut(at.unwrap_or(0)) {
            if in_front {
                list.push_front(message.text);
            } else {
                list.push_back(message.text);
            }
            self.listed += 1;
        }
    }

    /// The first of step number `at` of `queue`.
    pub(super) fn pop(&mut self, queue: &str, at: usize) -> Option<Vec<u8>> {
        let text = self.lists.get_mut(queue)?.get_mut(at)?.pop_front()?;
        self.listed -= 1;
        Some(text)
    }

    pub(super) fn is_filled(&self, queues: &[String]) -> bool {
        queues.iter().any(|queue| {
            let lists = self.lists.get(queue);
            lists.is_some_and(|lists| lists.iter().any(|list| !list.is_empty()))
        })
    }

    pub(super) fn put_off(&mut self, message: Waiting, until: Timestamp) {
        self.later_number += 1;
        self.later.insert((until, self.later_number), message);
    }

    pub(super) fn note(&mut self, steps: &[ChordStep]) {
        for step in steps {
            let (ChordStep::Begin { group, .. }
            | ChordStep::Shape { group, .. }
            | ChordStep::End { group }) = step;
            self.chord(group).note(step);
        }
    }

    fn chord(&mut self, group: &str) -> &mut Chord {
        if self.chords.len() >= MOST_CHORDS {
            self.chords.retain(|_, chord| !chord.is_done());
        }
        self.chords.entry(group.to_owned()).or_default()
    }

    /// Stores a result. A success is never overwritten: the task may have been sent twice.
    pub(super) fn store(&mut self, meta: ResultMeta, period: Duration) {
        let now = Instant::now();
        let old = self.results.get(&meta.task_id);
        if old.is_some_and(|(until, old)| old.status == State::Success && *until > now) {
            return;
        }
        if self.results.len() >= MOST_RESULTS {
            self.results.retain(|_, (until, _)| *until > now);
        }
        if self.results.len() < MOST_RESULTS {
            let until = now.checked_add(period).unwrap_or(now);
            self.results.insert(meta.task_id.clone(), (until, meta));
        }
    }
}

/// Keeps the newest.
pub(super) fn put_aside(letters: &mut VecDeque<Vec<u8>>, letter: Vec<u8>) {
    letters.push_front(letter);
    letters.truncate(MOST_LETTERS);
}
