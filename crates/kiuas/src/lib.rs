//! Kiuas: what an application depends on.
//!
//! An application implements [`Application`], its `main` is [`main`], and everything else that it
//! needs daily is in [`prelude`].
//!
//! Architecture invariant: this crate only wires. What it wires lives in the crates it re-exports.

mod application;
mod pending;
pub mod prelude;
mod resources;

pub use application::Application;
pub use resources::Resources;

pub use actix_web;
pub use kiuas_common as common;
pub use kiuas_migrate::MigrationSet;
pub use kiuas_queue as queue;
pub use kiuas_web as web;
pub use pending::Schedule;

/// Runs an application: reads the command line, starts what it names, and returns its exit code.
///
/// 0: done. 1: failed to start or to go on. 64: wrong settings or usage.
#[must_use]
pub fn main<A: Application>() -> std::process::ExitCode {
    std::process::ExitCode::FAILURE
}
