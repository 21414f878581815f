//! `cargo xtask smoke`: the release build of the stack, started privately and used as a visitor would.

mod checks;
mod report;
mod visitor;
mod websocket;

use std::net::SocketAddr;
use std::time::Instant;

use anyhow::{Result, bail};

use crate::checkout::{Checkout, remove};
use crate::console::say;
use crate::interrupt::Interrupt;
use crate::packages::{self, CURL, POSTGRES, REDIS};
use crate::process::{Log, Service, cargo, succeed};
use crate::services::{Durability, Place, Postgres, Redis};
use crate::stack::{Component, PROGRAMS, Programs, Sockets, Stack};
use report::Report;

const PURPOSE: &str = "smoke";

const EXAMPLES: &str = "\
Examples:
  cargo xtask smoke                 build, start, check, one line a component
  cargo xtask smoke --debug         the same with the programs of a debug build, which build faster

Data and logs are in .kiuas/smoke and begin empty each time; ports are free ones.

Exit codes: 0 every component holds, 1 one does not (its line says why), 64 wrong usage,
130 interrupted.";

/// Flags of `cargo xtask smoke`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Check a debug build
    #[arg(long)]
    debug: bool,
    /// Install nothing; say what is missing
    #[arg(long)]
    no_install: bool,
}

/// Builds, starts, checks, stops.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let interrupt = Interrupt::install()?;
    let checkout = Checkout::find()?;
    let _lock = checkout.lock(PURPOSE)?;
    packages::require(
        &[&POSTGRES, &REDIS, &CURL],
        !arguments.no_install,
        &interrupt,
    )?;
    build(&checkout, arguments.debug, &interrupt)?;
    let begin = Instant::now();
    let profile = if arguments.debug { "debug" } else { "release" };
    let programs = Programs::at(checkout.target().join(profile));
    let place = Place {
        runtime: checkout.runtime(PURPOSE)?,
        log: Log::Directory(checkout.state(PURPOSE)?),
        checkout,
        purpose: PURPOSE,
        durability: Durability::Scratch,
        interrupt,
    };
    for old in ["mail", "cookies"] {
        remove(&place.checkout.state(PURPOSE)?.join(old))?;
    }
    let mut report = Report::new(place.interrupt.clone());
    // Whatever stands so far goes down in the reverse order of coming up.
    up_and_check(&place, programs, &mut report)?;
    place.interrupt.check()?;
    conclude(&report, begin)
}

fn build(checkout: &Checkout, debug: bool, interrupt: &Interrupt) -> Result<()> {
    let mut command = cargo();
    command.current_dir(checkout.root()).arg("build");
    for program in PROGRAMS {
        command.arg(format!("--package={program}"));
    }
    if !debug {
        command.arg("--release");
    }
    succeed(&mut command, interrupt)
}

fn up_and_check(place: &Place, programs: Programs, report: &mut Report) -> Result<()> {
    let Some(postgres) = report.check("postgres", || Postgres::start(place)) else {
        return Ok(());
    };
    let Some(redis) = report.check("redis", || Redis::start(place)) else {
        return Ok(());
    };
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let sockets = Sockets::open(any, any, place.runtime.path())?;
    let mut stack = Stack::new(place, programs, sockets)?;
    stack.connect(&postgres, &redis)?;
    let site = stack.programs.program("site");
    let migrated = report.check("migrate", || {
        let mut command = stack.command(&site, &["migrate", "up"]);
        place.log.receive("migrate", &mut command)?;
        succeed(&mut command, &place.interrupt)
    });
    if migrated.is_none() {
        return Ok(());
    }
    let mut services: Vec<Service> = Vec::new();
    for component in Component::STARTING {
        // One that does not start fails the checks that need it; the others are checked nevertheless.
        match stack.start(component) {
            Ok(service) => services.push(service),
            Err(error) => report.failed(component.name(), &error),
        }
    }
    let state = place.checkout.state(PURPOSE)?;
    checks::all(&stack, &state, report, &place.interrupt)?;
    stack.sockets.close_fronts();
    while let Some(mut service) = services.pop() {
        if !service.stop() {
            bail!("{} did not end in time and was killed", service.name());
        }
    }
    Ok(())
}

fn conclude(report: &Report, begin: Instant) -> Result<()> {
    let seconds = begin.elapsed().as_secs_f64();
    let failed = report.failures();
    if !failed.is_empty() {
        bail!("{} failed; logs are in .kiuas/{PURPOSE}", failed.join(", "));
    }
    say(&format!("every component holds, after {seconds:.1} s"));
    Ok(())
}

#[cfg(test)]
mod tests;
