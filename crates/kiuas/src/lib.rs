//! Kiuas: what an application depends on.
//!
//! An application implements [`Application`], its `main` is [`main`], and everything else that it
//! needs daily is in [`prelude`].
//!
//! Architecture invariant: this crate only wires. What it wires lives in the crates it re-exports.

mod application;
mod arguments;
mod command;
mod failure;
pub mod prelude;
mod process;
mod resources;
mod schema;
mod sections;

pub use application::Application;
pub use resources::Resources;

pub use actix_web;
pub use anyhow;
pub use kiuas_beat as beat;
pub use kiuas_beat::Schedule;
pub use kiuas_common as common;
pub use kiuas_migrate as migrate;
pub use kiuas_migrate::MigrationSet;
pub use kiuas_queue as queue;
pub use kiuas_web as web;

use std::process::ExitCode;

/// Runs an application: reads the command line, does what it says, and returns the exit code.
///
/// 0: done, also after a drain. 1: failed to start or to go on. 64: wrong settings or usage. `migrate`
/// has some of its own.
#[must_use]
pub fn main<A: Application>() -> ExitCode {
    kiuas_common::tls::install_provider();
    let arguments = match arguments::parse::<A>(std::env::args_os()) {
        Ok(arguments) => arguments,
        Err(answer) => return arguments::answer(&answer),
    };
    match command::run::<A>(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failure::report(&error),
    }
}
