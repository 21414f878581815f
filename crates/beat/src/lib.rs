//! Schedules that fire tasks, each tick exactly once.
//!
//! A tick is a pair of an entry and a due time. Enqueueing it is one SQL statement: it inserts the
//! tick's row and, only if that row is new, the task's message into the outbox. So any number of beats
//! may run, be killed and come back; PostgreSQL decides which of them enqueues a tick. One of them
//! leads, but only to save the others work.
//!
//! Architecture invariant: due times follow from the entry and the calendar alone, never from when a
//! beat was started, so that all beats agree on them.

mod beat;
mod entry;
mod error;
mod health;
mod leader;
mod line;
mod measure;
mod schedule;
mod settings;
mod tick;
mod timing;

pub use beat::Beat;
pub use entry::{Entry, Missed};
pub use error::{BeatError, EntryProblem};
pub use schedule::Schedule;
pub use settings::BeatSettings;
pub use timing::Timing;
