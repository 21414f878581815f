//! The pool: keeps a number of processes alive over one set of listening sockets.
//!
//! It opens (or inherits) the sockets once and hands them to every child as descriptors 3, 4, …, so
//! that a child can die, be replaced or be rolled to a new version while the kernel keeps queueing
//! connections. [`run`] is the whole of it; the binary only reads the command line and the settings.
//!
//! Inside, the [`roster`] decides and touches nothing: it is told what happened and says what to do.
//! The [`supervisor`] does it: it starts and signals processes, reaps them and hears from them.
//!
//! Architecture invariants: processes are started from the main thread alone (the kernel's
//! parent-death signal belongs to the thread that forked), with fork and exec; every exit is collected
//! by one `waitpid(-1)` loop, never by `Child::wait`, so that the pool is a correct process 1.

mod board;
mod chronicle;
mod command;
pub mod control;
mod dump;
mod errand;
mod event;
mod handover;
mod headroom;
pub mod health;
mod launch;
mod mailbox;
mod metrics;
mod monitor;
mod overview;
mod probe;
mod proc;
mod queue;
mod reap;
mod report;
mod roster;
mod scale;
mod settings;
mod sockets;
mod stats;
mod supervisor;
pub mod top;
mod view;
mod wait;
mod watch;

pub use handover::{FORM, OLDEST_FORM};
pub use launch::{ChildError, become_child};
pub use settings::{
    Cgroup, FileMode, Hooks, Inherit, Limit, OnIdle, PoolSettings, PoolSettingsError, Ready,
    Rlimits, Scale, StopSignal, WaitFor,
};
pub use supervisor::{Invocation, PoolError, check, run};
