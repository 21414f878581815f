//! Polls: the example application and template.
//!
//! `site --help` shows what it can run: the web server, the worker, beat, migrations.

mod author;
mod demo;
mod files;
mod form;
mod mail;
mod poll;
mod results;
mod routes;
mod settings;
mod site;
mod state;
mod time;
mod visit;
mod vote;

use std::process::ExitCode;

fn main() -> ExitCode {
    kiuas::main::<site::Site>()
}
