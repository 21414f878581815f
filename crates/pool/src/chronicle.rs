//! The last things that happened in a pool, for `ctl top` and `ctl status`: what the log said, at hand.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

/// Older events are in the log alone.
const MOST_EVENTS: usize = 100;

/// Something that happened.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Event {
    /// Seconds since 1970, UTC.
    pub(crate) at: u64,
    /// A sentence.
    pub(crate) text: String,
}

/// The events of one pool, the newest last. Clones share them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Chronicle(Arc<Mutex<VecDeque<Event>>>);

impl Chronicle {
    /// Something happened now.
    pub(crate) fn note(&self, text: impl Into<String>) {
        let mut events = self.0.lock();
        if events.len() >= MOST_EVENTS {
            events.pop_front();
        }
        events.push_back(Event {
            at: unix_time(),
            text: text.into(),
        });
    }

    /// All of them.
    pub(crate) fn events(&self) -> Vec<Event> {
        self.0.lock().iter().cloned().collect()
    }
}

/// Seconds since 1970, UTC.
pub(crate) fn unix_time() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}
