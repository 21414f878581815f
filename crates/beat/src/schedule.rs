//! The entries of an application.

use std::collections::HashSet;

use kiuas_common::Period;
use kiuas_queue::{Call, Task};

use crate::entry::{Checked, Entry};
use crate::error::{BeatError, EntryProblem};
use crate::timing::TimingText;

/// The entries of an application, in the order in which they were added.
#[derive(Debug, Clone, Default)]
pub struct Schedule {
    entries: Vec<Entry>,
}

impl Schedule {
    /// An empty schedule.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Fires `task` every `period`, at multiples of it since 1970-01-01T00:00:00Z: every five minutes is
    /// :00, :05, :10 … whenever a beat was started. `name` is the entry's key in the history: renamed,
    /// it is a new entry.
    pub fn every<S, T>(&mut self, name: &str, period: Period, task: T) -> &mut Entry
    where
        S: 'static,
        T: Task<S>,
    {
        self.add(name, TimingText::Every(period), task)
    }

    /// Fires `task` whenever `expression` matches in the time zone `zone`: five fields (minute, hour,
    /// day of month, month, day of week) or six (with seconds in front), with names, `L`, `#`, `W` and
    /// `@daily` and its like.
    pub fn cron<S, T>(&mut self, name: &str, expression: &str, zone: &str, task: T) -> &mut Entry
    where
        S: 'static,
        T: Task<S>,
    {
        let timing = TimingText::Cron {
            expression: expression.to_owned(),
            zone: zone.to_owned(),
        };
        self.add(name, timing, task)
    }

    /// The entries.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Checks every entry as [`crate::Beat::new`] does.
    ///
    /// # Errors
    /// [`BeatError::Entry`] names the first entry that is not usable.
    pub fn check(&self) -> Result<(), BeatError> {
        self.checked().map(drop)
    }

    pub(crate) fn checked(&self) -> Result<Vec<Checked>, BeatError> {
        let mut names = HashSet::new();
        self.entries
            .iter()
            .map(|entry| {
                let outcome = if names.insert(entry.name()) {
                    entry.check()
                } else {
                    Err(EntryProblem::Repeated)
                };
                outcome.map_err(|problem| BeatError::Entry {
                    entry: entry.name().to_owned(),
                    problem,
                })
            })
            .collect()
    }

    fn add<S, T>(&mut self, name: &str, timing: TimingText, task: T) -> &mut Entry
    where
        S: 'static,
        T: Task<S>,
    {
        let entry = Entry::new(name, timing, move || Call::of::<S, T>(&task));
        let last = self.entries.len();
        self.entries.push(entry);
        &mut self.entries[last]
    }
}

#[cfg(test)]
mod tests;
