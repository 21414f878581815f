//! The Redis broker: kombu's keys, claimed atomically, held by a lease.
//!
//! A message is moved from its list to kombu's hash `unacked` by one script and stays there until its
//! task has ended. Where a Python worker restores what a dead one held after an hour, workers of this
//! crate renew a lease and restore within seconds what a worker without one held. Needs Redis 7.

mod consumer;
mod keys;
mod restore;
mod settle;
mod wake;

pub use consumer::RedisBroker;
pub use keys::Keys;
pub(crate) use keys::{STEPS, step};
pub(crate) use settle::LATE;
