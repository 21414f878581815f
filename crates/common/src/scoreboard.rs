//! What a process is doing now, in memory that its supervisor reads.
//!
//! The supervisor makes a [`Scoreboard`] for each child and hands on its descriptor, whose number the
//! child finds in [`VARIABLE`]. The child writes through a [`Writer`]: its state, its threads
//! (heartbeat, counters, what is being polled now) and a slot for every request or task that runs. The
//! supervisor takes a [`Snapshot`] whenever it wants to know.
//!
//! Writing is a handful of plain stores: no lock, no allocation, no system call beyond the clock. All
//! times are nanoseconds of `CLOCK_MONOTONIC` ([`now`]), the same in all processes; 0 means never.
//!
//! Architecture invariant: the reader trusts no byte. A child that scribbles over its board gets wrong
//! figures of itself and nothing else; the supervisor never panics on it, and acts on pids that it
//! knows itself.

mod clock;
mod layout;
mod reader;
mod snapshot;
mod task;
mod text;
mod thread;
mod view;
mod writer;

pub use clock::{now, roughly_now};
pub use layout::{QUEUE_TIME_BOUNDS, SLOTS, THREADS};
pub use reader::Scoreboard;
pub use snapshot::Snapshot;
pub use task::{TaskGuard, TaskPollGuard};
pub use thread::{Deadlines, PollGuard, SlotGuard, ThreadWriter};
pub use view::{Kind, QueueTimes, Refused, SlotView, StackView, State, ThreadView};
pub use writer::{Work, Writer};

/// Names the number of the descriptor of a child's scoreboard.
pub const VARIABLE: &str = "KIUAS_SCOREBOARD_FD";

#[cfg(test)]
mod tests;
