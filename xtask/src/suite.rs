//! `cargo xtask test`: every check, against real services that it starts and stops itself.

mod fuzz;
mod report;
mod steps;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::checkout::{Checkout, remove};
use crate::console::{complain, say};
use crate::interrupt::Interrupt;
use crate::packages::{self, BROWSER, CELERY, COMPOSE, NGINX, PEBBLE, POSTGRES, RABBITMQ, REDIS};
use crate::process::{Log, cargo, succeed};
use crate::services::{Durability, Place, Postgres, RabbitMq};
use report::Report;

const EXAMPLES: &str = "\
Examples:
  cargo xtask test                             everything, as CI runs it
  cargo xtask test --quick                     everything but the end-to-end tests
  cargo xtask test --filter 'package(site)'    one package's tests (a filterset of nextest)
  cargo xtask test --filter 'test(vote)'       the tests with `vote` in their name

Needs PostgreSQL, Redis, RabbitMQ, Chromium, Python, Docker, nginx and pebble; installs what is missing from
Debian's packages when it runs as root or sudo asks for no password. Fuzz targets need a C++ compiler. Logs of the services, and of the tests that keep
some, are in .kiuas/test/ afterwards. cargo-deny is used when it is installed.

Exit codes: 0 all passed, 1 something failed, 64 wrong usage, 130 interrupted.";

/// Flags of `cargo xtask test`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Leave out the end-to-end tests
    #[arg(long)]
    quick: bool,
    /// Run only the tests that this filterset of nextest matches; skips lints
    #[arg(long, value_name = "EXPRESSION")]
    filter: Option<String>,
    /// Install nothing; say what is missing
    #[arg(long)]
    no_install: bool,
}

/// Runs the checks that `arguments` ask for.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let interrupt = Interrupt::install()?;
    let checkout = Checkout::find()?;
    let _lock = checkout.lock("test")?;
    provide(arguments, &interrupt)?;
    let begin = Instant::now();
    let mut report = Report::default();
    for step in steps::before_tests(arguments.filter.is_none()) {
        let outcome = report.step(step.name, || step.run(&checkout, &interrupt));
        interrupt.check()?;
        // Tests of what does not build would be tests of something older.
        if !outcome && step.vital {
            return report.conclude(begin.elapsed());
        }
    }
    let results = checkout.target().join("nextest/default/junit.xml");
    drop(fs::remove_file(&results));
    report.step("tests", || tests(arguments, &checkout, &interrupt));
    interrupt.check()?;
    if arguments.filter.is_none() && !arguments.quick {
        report.step("fuzz", || fuzz::run(&checkout, &interrupt));
        interrupt.check()?;
    }
    report.count(&results, &checkout.state("test")?);
    report.conclude(begin.elapsed())
}

fn provide(arguments: &Arguments, interrupt: &Interrupt) -> Result<()> {
    let may_install = !arguments.no_install;
    packages::require(&[&POSTGRES, &REDIS], may_install, interrupt)?;
    packages::wish(&[&RABBITMQ], may_install, interrupt)?;
    if !arguments.quick {
        packages::wish(
            &[&BROWSER, &CELERY, &COMPOSE, &NGINX, &PEBBLE],
            may_install,
            interrupt,
        )?;
    }
    runner(may_install, interrupt)
}

/// nextest, built once a machine; it takes some minutes.
fn runner(may_install: bool, interrupt: &Interrupt) -> Result<()> {
    let found = cargo().args(["nextest", "--version"]).output();
    if found.is_ok_and(|output| output.status.success()) {
        return Ok(());
    }
    if !may_install {
        bail!("cargo-nextest is missing: `cargo install --locked cargo-nextest`");
    }
    say("installing cargo-nextest, once on this machine");
    succeed(
        cargo().args(["install", "--locked", "cargo-nextest"]),
        interrupt,
    )
}

/// The tests, with one PostgreSQL and one RabbitMQ server for all of them. Whatever happens, both are
/// stopped at the end.
fn tests(arguments: &Arguments, checkout: &Checkout, interrupt: &Interrupt) -> Result<()> {
    let state = fresh_state(checkout)?;
    let place = Place {
        checkout: checkout.clone(),
        purpose: "test",
        runtime: checkout.runtime("test")?,
        durability: Durability::Scratch,
        log: Log::Directory(state.clone()),
        interrupt: interrupt.clone(),
    };
    let postgres = Postgres::start(&place)?;
    let rabbitmq = rabbitmq(&place);
    let mut command = cargo();
    clean_environment(&mut command);
    command
        .current_dir(checkout.root())
        .args([
            "nextest",
            "run",
            "--workspace",
            "--locked",
            "--no-fail-fast",
        ])
        .env("KIUAS_TEST_POSTGRES_URL", postgres.server_url())
        .env("KIUAS_TEST_BIN_DIR", checkout.target().join("debug"))
        .env("KIUAS_TEST_DIR", &state);
    if let Some(rabbitmq) = &rabbitmq {
        command.env("KIUAS_TEST_AMQP_URL", rabbitmq.url());
    }
    if let Some(filter) = filter(arguments) {
        command.args(["--filterset", &filter]);
    }
    let outcome = succeed(&mut command, interrupt);
    report::skipped(&state);
    outcome
}

/// RabbitMQ, starting: it takes its time, and those tests that need it wait for it. Without it they are
/// skipped, and say so.
fn rabbitmq(place: &Place) -> Option<RabbitMq> {
    if !RabbitMq::is_installed() {
        return None;
    }
    RabbitMq::start(place).inspect_err(complain).ok()
}

/// `.kiuas/test`, without what an earlier run left there.
fn fresh_state(checkout: &Checkout) -> Result<std::path::PathBuf> {
    let state = checkout.state("test")?;
    for name in ["logs", "skipped", "junit.xml"] {
        remove(&state.join(name))?;
    }
    make(&state.join("logs"))?;
    Ok(state)
}

fn make(directory: &Path) -> Result<()> {
    fs::create_dir(directory).with_context(|| format!("cannot make {}", directory.display()))
}

/// Tests see no settings of the shell that runs them.
fn clean_environment(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        if name.as_encoded_bytes().starts_with(b"KIUAS_") {
            command.env_remove(name);
        }
    }
}

/// The filterset for nextest; `None` runs all.
fn filter(arguments: &Arguments) -> Option<String> {
    const QUICK: &str = "not package(e2e)";
    match (&arguments.filter, arguments.quick) {
        (None, false) => None,
        (None, true) => Some(QUICK.to_owned()),
        (Some(filter), false) => Some(filter.clone()),
        (Some(filter), true) => Some(format!("({filter}) and {QUICK}")),
    }
}

#[cfg(test)]
mod tests;
