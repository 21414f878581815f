//! Stands in for `kiuas_beat::Schedule` until that crate has it.

use kiuas_common::Period;
use kiuas_queue::Task;

/// The entries of an application's schedule.
#[derive(Debug, Default)]
pub struct Schedule;

impl Schedule {
    /// Sends `task` every `period`.
    pub fn every<S, T: Task<S>>(&mut self, _name: &str, _period: Period, _task: T) -> &mut Self {
        self
    }

    /// Sends `task` by a cron expression in a time zone.
    pub fn cron<S, T: Task<S>>(
        &mut self,
        _name: &str,
        _expression: &str,
        _zone: &str,
        _task: T,
    ) -> &mut Self {
        self
    }
}
