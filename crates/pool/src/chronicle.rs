//! The last things that happened in a pool, for `ctl events`, `ctl top` and `ctl status`: what the log said,
//! at hand.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

/// Older events are in the log alone.
const MOST_EVENTS: usize = 100;
/// Pause between two alarms.
const ALARMS: Duration = Duration::from_secs(3);

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
pub(crate) struct Chronicle(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    events: VecDeque<Event>,
    /// How many children ended, by the label of the cause.
    ends: BTreeMap<&'static str, u64>,
    /// How the last child of each seat ended. There are at most as many as the pool ever had seats.
    last: HashMap<usize, String>,
    alarmed: Option<Instant>,
}

impl Chronicle {
    /// Something happened now.
    pub(crate) fn note(&self, text: impl Into<String>) {
        let mut inner = self.0.lock();
        if inner.events.len() >= MOST_EVENTS {
            inner.events.pop_front();
        }
        inner.events.push_back(Event {
            at: unix_time(),
            text: text.into(),
        });
    }

    /// A child of `seat` ended because of `cause`, a label; `how` it did.
    pub(crate) fn ended(&self, seat: usize, cause: &'static str, how: String) {
        let mut inner = self.0.lock();
        *inner.ends.entry(cause).or_default() += 1;
        inner.last.insert(seat, how);
    }

    /// True, and then for a while not again: who is called for every event calls for none.
    pub(crate) fn may_alarm(&self, now: Instant) -> bool {
        let mut inner = self.0.lock();
        let recent = inner.alarmed.is_some_and(|last| now - last < ALARMS);
        if !recent {
            inner.alarmed = Some(now);
        }
        !recent
    }

    /// All events that are kept.
    pub(crate) fn events(&self) -> Vec<Event> {
        self.0.lock().events.iter().cloned().collect()
    }

    /// How many children ended, by cause.
    pub(crate) fn ends(&self) -> BTreeMap<String, u64> {
        let inner = self.0.lock();
        let ends = inner.ends.iter();
        ends.map(|(cause, count)| ((*cause).to_owned(), *count))
            .collect()
    }

    /// How the last child of `seat` ended.
    pub(crate) fn last_end(&self, seat: usize) -> Option<String> {
        self.0.lock().last.get(&seat).cloned()
    }
}

/// Seconds since 1970, UTC.
pub(crate) fn unix_time() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alarm_is_followed_by_none_for_a_while() {
        let (chronicle, now) = (Chronicle::default(), Instant::now());
        assert!(chronicle.may_alarm(now));
        assert!(!chronicle.may_alarm(now + ALARMS / 2));
        assert!(chronicle.may_alarm(now + ALARMS));
    }

    #[test]
    fn only_the_last_events_are_kept_and_all_ends_are_counted() {
        let chronicle = Chronicle::default();
        for number in 0..=MOST_EVENTS {
            chronicle.note(number.to_string());
            chronicle.ended(number % 2, "crash", format!("end {number}"));
        }
        let events = chronicle.events();
        assert_eq!((events.len(), events[0].text.as_str()), (MOST_EVENTS, "1"));
        assert_eq!(chronicle.ends()["crash"], 101);
        assert_eq!(chronicle.last_end(0).as_deref(), Some("end 100"));
        assert_eq!(chronicle.last_end(7), None);
    }
}
