//! What a consumer has: fetched ahead, handed out, put off for a moment. All of it belongs to one
//! connection, and is somebody else's when that ends.

use std::collections::{BTreeMap, HashMap, VecDeque};

use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::wire::Arrival;

/// Everything that a consumer has. Bounded by the prefetch of its queues.
#[derive(Debug, Default)]
pub(super) struct Intake {
    state: Mutex<State>,
    /// Told when there is something to look at: a message, or the end of a connection.
    pub(super) changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// The connection that everything here came on.
    generation: u64,
    fetched: Vec<VecDeque<Message>>,
    held: HashMap<String, Message>,
    put_off: BTreeMap<(Timestamp, u64), Message>,
    number: u64,
    lost: Vec<String>,
}

/// A message that is ours while its connection lives.
#[derive(Debug, Clone)]
pub(super) struct Message {
    /// The connection it came on.
    pub(super) generation: u64,
    /// The number that RabbitMQ gave it there.
    pub(super) number: u64,
    /// Which of the consumer's queues it came from.
    pub(super) queue: usize,
    pub(super) raw: Vec<u8>,
    pub(super) priority: u8,
    /// See [`Arrival::reply_to`].
    pub(super) reply_to: Option<String>,
    /// See [`Arrival::redelivered`].
    pub(super) redelivered: Option<Option<u32>>,
    /// What follows from its end is published already; only the end itself is missing.
    pub(super) published: bool,
}

impl Intake {
    /// A connection has begun, or the last has ended: what was handed out is lost.
    pub(super) fn begin(&self, generation: u64, queues: usize) {
        let mut state = self.state.lock();
        state.generation = generation;
        state.fetched = vec![VecDeque::new(); queues];
        state.put_off.clear();
        let lost: Vec<_> = state.held.drain().map(|(tag, _)| tag).collect();
        state.lost.extend(lost);
        drop(state);
        self.changed.notify_one();
    }

    /// A message has come.
    pub(super) fn arrived(&self, generation: u64, queue: usize, number: u64, arrival: Arrival) {
        let message = Message {
            generation,
            number,
            queue,
            raw: arrival.raw,
            priority: arrival.priority,
            reply_to: arrival.reply_to,
            redelivered: arrival.redelivered,
            published: false,
        };
        self.back(message, false);
    }

    /// Puts a message among the fetched ones, last or first.
    pub(super) fn back(&self, message: Message, first: bool) {
        let mut state = self.state.lock();
        if message.generation == state.generation
            && let Some(queue) = state.fetched.get_mut(message.queue)
        {
            if first {
                queue.push_front(message);
            } else {
                queue.push_back(message);
            }
        }
        drop(state);
        self.changed.notify_one();
    }

    /// The next to be handed out: of the first priority, queues taking turns from number `turn` on.
    pub(super) fn next(&self, turn: usize) -> Option<Message> {
        let mut state = self.state.lock();
        let count = state.fetched.len();
        let (_, at) = (0..count)
            .map(|step| (turn + step) % count)
            .filter_map(|at| Some((state.fetched.get(at)?.front()?.priority, at)))
            .min_by_key(|(priority, _)| *priority)?;
        state.fetched.get_mut(at)?.pop_front()
    }

    pub(super) fn has_fetched(&self) -> bool {
        let state = self.state.lock();
        state.fetched.iter().any(|queue| !queue.is_empty())
    }

    /// Takes everything that is not handed out, in the order of its arrival.
    pub(super) fn take_fetched(&self) -> Vec<Message> {
        let mut state = self.state.lock();
        let mut taken: Vec<_> = state.fetched.iter_mut().flat_map(std::mem::take).collect();
        taken.extend(std::mem::take(&mut state.put_off).into_values());
        taken.sort_by_key(|message| message.number);
        taken
    }

    /// Hands `message` out under `tag`; `false` if its connection has ended.
    pub(super) fn hand_out(&self, tag: String, message: Message) -> bool {
        let mut state = self.state.lock();
        let is_ours = message.generation == state.generation;
        if is_ours {
            state.held.insert(tag, message);
        }
        is_ours
    }

    /// What was handed out under `tag`; `None` if it is not ours any more.
    pub(super) fn held(&self, tag: &str) -> Option<Message> {
        self.state.lock().held.get(tag).cloned()
    }

    /// Notes that only the end of `tag` itself is missing.
    pub(super) fn published(&self, tag: &str) {
        if let Some(message) = self.state.lock().held.get_mut(tag) {
            message.published = true;
        }
    }

    /// `tag` is ended; `false` if it was not ours any more.
    pub(super) fn ended(&self, tag: &str) -> bool {
        self.state.lock().held.remove(tag).is_some()
    }

    /// Keeps `tag` here until `eta`; `false` if it is not ours any more, or `most` wait already.
    pub(super) fn put_off(&self, tag: &str, eta: Timestamp, most: usize) -> Option<bool> {
        let mut state = self.state.lock();
        if !state.held.contains_key(tag) {
            return None;
        }
        if state.put_off.len() >= most {
            return Some(false);
        }
        let message = state.held.remove(tag)?;
        state.number += 1;
        let number = state.number;
        state.put_off.insert((eta, number), message);
        Some(true)
    }

    /// Moves what is due among the fetched. Returns how many, and when the next is due.
    pub(super) fn move_due(&self, now: Timestamp) -> (u64, Option<Timestamp>) {
        let mut moved = 0;
        loop {
            let mut state = self.state.lock();
            let Some(first) = state.put_off.first_entry() else {
                return (moved, None);
            };
            let (eta, _) = *first.key();
            if eta > now {
                return (moved, Some(eta));
            }
            let message = first.remove();
            drop(state);
            self.back(message, false);
            moved += 1;
        }
    }

    /// Tags that were lost since this was last asked.
    pub(super) fn take_lost(&self) -> Vec<String> {
        std::mem::take(&mut self.state.lock().lost)
    }
}
