//! What the commands do.

mod beat;
mod check;
mod config;
mod migrate;
mod routes;
mod serve;
mod tasks;
mod worker;

use std::io::Write;

use anyhow::Context;

use crate::Application;
use crate::arguments::{Arguments, Command};
use crate::process;

/// Does what the command line says.
pub(crate) fn run<A: Application>(arguments: Arguments) -> anyhow::Result<()> {
    let settings = process::settings(&arguments.set, arguments.config)?;
    match arguments.command {
        Command::Serve => serve::run::<A>(settings),
        Command::Worker => worker::run::<A>(settings),
        Command::Beat => beat::run::<A>(settings),
        Command::Migrate(action) => migrate::run::<A>(&settings, action),
        Command::Tasks(action) => tasks::run(&settings, action),
        Command::Check { connect } => check::run::<A>(settings, connect),
        Command::Config { json } => config::run(&settings, json),
        Command::Routes { json } => routes::run::<A>(json),
    }
}

/// Writes to standard output. A reader that has enough (`| head`) is no failure.
fn print(text: &str) -> anyhow::Result<()> {
    let mut output = std::io::stdout().lock();
    match output
        .write_all(text.as_bytes())
        .and_then(|()| output.flush())
    {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        written => written.context("cannot write to standard output"),
    }
}
