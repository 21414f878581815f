//! Where a beat stands with one entry: what it has handled, what is due, what was missed.

use jiff::{SignedDuration, Timestamp};

use crate::entry::{Checked, Missed};

/// How far back ticks are looked for when a beat starts or wakes up.
pub(crate) const LOOK_BACK: SignedDuration = SignedDuration::from_hours(7 * 24);
/// Most ticks of one entry in one pass.
const MOST: usize = 1000;

/// An entry and the first due time that this beat has not handled.
#[derive(Debug)]
pub(crate) struct Line {
    entry: Checked,
    next: Option<Timestamp>,
}

/// What is to be enqueued of one entry.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Due {
    /// The ticks, oldest first.
    pub(crate) ticks: Vec<Timestamp>,
    /// How many older ones are given up.
    pub(crate) missed: u64,
    /// Everything up to here is handled when the ticks are.
    pub(crate) until: Timestamp,
}

impl Line {
    /// After the tick `last`, the newest in the history. An entry without history, or with none in the
    /// last seven days, begins `now`.
    pub(crate) fn new(entry: Checked, last: Option<Timestamp>, now: Timestamp) -> Self {
        let from = last.filter(|last| *last <= now && now.duration_since(*last) <= LOOK_BACK);
        let next = entry.timing.next(from.unwrap_or(now));
        Self { entry, next }
    }

    pub(crate) fn entry(&self) -> &Checked {
        &self.entry
    }

    /// The first due time that is not handled.
    pub(crate) fn next(&self) -> Option<Timestamp> {
        self.next
    }

    /// What is due at `now`. Ticks late by at most `grace` are all enqueued; if there are later ones,
    /// the entry's policy decides.
    pub(crate) fn due(&self, now: Timestamp, grace: SignedDuration) -> Option<Due> {
        let first = self.next.filter(|next| *next <= now)?;
        let timing = &self.entry.timing;
        let edge = now.checked_sub(grace).unwrap_or(Timestamp::MIN);
        if first >= edge {
            return Some(self.all(first, now));
        }
        match self.entry.missed {
            Missed::Once => Some(Due {
                ticks: vec![timing.latest(first, now)],
                missed: timing.count(first, now).saturating_sub(1),
                until: now,
            }),
            Missed::Skip => {
                let missed = timing.count(first, edge);
                let rest = timing.next(edge).filter(|next| *next <= now);
                let due = rest.map(|first| self.all(first, now));
                Some(Due {
                    missed,
                    ..due.unwrap_or(Due {
                        ticks: Vec::new(),
                        missed,
                        until: now,
                    })
                })
            }
        }
    }

    /// Everything up to `until` is handled.
    pub(crate) fn advance(&mut self, until: Timestamp) {
        self.next = self.entry.timing.next(until);
    }

    fn all(&self, first: Timestamp, now: Timestamp) -> Due {
        let mut ticks = vec![first];
        ticks.extend(self.entry.timing.between(first, now).take(MOST));
        let until = match ticks.last() {
            Some(last) if ticks.len() > MOST => *last,
            _ => now,
        };
        Due {
            ticks,
            missed: 0,
            until,
        }
    }
}

#[cfg(test)]
mod tests;
