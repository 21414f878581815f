//! One entry of a schedule.

use std::fmt;
use std::sync::Arc;

use kiuas_queue::{Call, QueueError};

use crate::error::EntryProblem;
use crate::timing::{Timing, TimingText};

/// Longest name, in bytes: it is part of a primary key.
const LONGEST_NAME: usize = 200;

type MakeCall = Arc<dyn Fn() -> Result<Call, QueueError> + Send + Sync>;

/// What happens to ticks that nobody enqueued in time, because no beat ran or PostgreSQL was away. A
/// tick that is late by less than three leases is never missed: it is enqueued as soon as possible.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Missed {
    /// The newest one is enqueued, the older ones are not; looks back at most seven days.
    #[default]
    Once,
    /// None is enqueued.
    Skip,
}

/// One entry: when what is due.
#[derive(Clone)]
pub struct Entry {
    name: String,
    timing: TimingText,
    missed: Missed,
    call: MakeCall,
}

/// An entry whose parts were checked.
#[derive(Clone)]
pub(crate) struct Checked {
    pub(crate) name: String,
    pub(crate) timing: Timing,
    pub(crate) missed: Missed,
    call: MakeCall,
}

impl Entry {
    pub(crate) fn new(
        name: &str,
        timing: TimingText,
        call: impl Fn() -> Result<Call, QueueError> + Send + Sync + 'static,
    ) -> Self {
        Self {
            name: name.to_owned(),
            timing,
            missed: Missed::default(),
            call: Arc::new(call),
        }
    }

    /// What happens to missed ticks; [`Missed::Once`] if this is not called.
    pub fn missed(&mut self, missed: Missed) -> &mut Self {
        self.missed = missed;
        self
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn check(&self) -> Result<Checked, EntryProblem> {
        if self.name.is_empty() || self.name.len() > LONGEST_NAME {
            return Err(EntryProblem::Name { most: LONGEST_NAME });
        }
        let timing = self.timing.parse()?;
        (self.call)().map_err(|error| EntryProblem::Task(Box::new(error)))?;
        Ok(Checked {
            name: self.name.clone(),
            timing,
            missed: self.missed,
            call: Arc::clone(&self.call),
        })
    }
}

impl Checked {
    /// The task, ready to be written as a message.
    pub(crate) fn call(&self) -> Result<Call, QueueError> {
        (self.call)()
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry")
            .field("name", &self.name)
            .field("timing", &self.timing)
            .field("missed", &self.missed)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checked")
            .field("name", &self.name)
            .field("timing", &self.timing)
            .finish_non_exhaustive()
    }
}
