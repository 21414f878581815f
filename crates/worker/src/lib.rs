//! Runs tasks: claims them from the broker, runs them side by side, ends each one exactly once.
//!
//! Owns: the life of a delivery ([`Worker`], its phases are in `execute`), the lease, the drain, and
//! the housekeeping that any worker does for all (restoring what dead workers held, moving what is
//! due, relaying the outbox).
//!
//! Architecture invariant: nothing here knows how a message looks on the wire or where it is stored;
//! that is `kiuas-queue`.

mod board;
mod builtin;
mod chord;
mod consume;
mod control;
mod events;
mod execute;
mod finish;
mod follow;
mod housekeeping;
mod lease;
mod limits;
mod metrics;
mod running;
mod settings;
mod usage;
mod verdict;
mod work;
mod worker;

pub use settings::WorkerSettings;
pub use worker::{Drained, Worker};
