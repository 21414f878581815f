//! `cargo xtask dev`: the whole stack on this machine, kept up and rolled as its sources change.

mod backoff;
mod build;
mod change;
mod databases;
mod plan;
mod rebuild;
mod session;
mod watch;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::Result;

use crate::checkout::Checkout;
use crate::console::{Console, complain};
use crate::interrupt::Interrupt;
use crate::packages::{self, POSTGRES, RABBITMQ, REDIS};
use crate::process::{Log, succeed};
use crate::services::{Durability, Place};
use crate::stack::{Sockets, Stack};
use build::Build;
use databases::Databases;
use rebuild::Rebuild;
use session::Session;
use watch::Watch;

/// The directory under `.kiuas/` and the name of the lock.
const PURPOSE: &str = "dev";

const EXAMPLES: &str = "\
Examples:
  cargo xtask dev                                  http://127.0.0.1:8080, https://127.0.0.1:8443
  cargo xtask dev --http 127.0.0.1:8081 --https 127.0.0.1:8444
  cargo xtask dev --http 127.0.0.1:0 --https 127.0.0.1:0    any free ports; printed when it is up
  cargo xtask dev --processes 4 --release --no-watch
  cargo xtask dev --broker amqp                    tasks on RabbitMQ
  KIUAS__TELEMETRY__LEVEL=debug cargo xtask dev    settings of the components, as anywhere

PostgreSQL, Redis and, if asked for, RabbitMQ run privately, their data stay in .kiuas/dev. Remove that directory to begin anew.
Changes in crates/, migrations/, config/ and Cargo.toml are built and rolled; the old version answers
until the new one is ready, and a compile error stops nothing.

Ctrl-C stops everything in order. A second Ctrl-C cuts.

Exit codes: 0 stopped by Ctrl-C or SIGTERM, 1 something failed, 64 wrong usage or wrong settings,
130 interrupted before the stack was up.";

/// Flags of `cargo xtask dev`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Where HTTP is answered
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    http: SocketAddr,
    /// Where HTTPS is answered, with a certificate of a local authority
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8443")]
    https: SocketAddr,
    /// Web processes
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=64))]
    processes: u16,
    /// What carries tasks
    #[arg(long, value_enum, default_value_t = Broker::Redis)]
    broker: Broker,
    /// Build optimised programs
    #[arg(long)]
    release: bool,
    /// Use the programs in this directory instead of building them; then nothing is watched
    #[arg(long, value_name = "DIRECTORY", conflicts_with = "release")]
    programs: Option<PathBuf>,
    /// Do not watch the sources
    #[arg(long)]
    no_watch: bool,
    /// Install nothing; say what is missing
    #[arg(long)]
    no_install: bool,
}

/// What carries tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Broker {
    /// Redis
    Redis,
    /// RabbitMQ
    Amqp,
}

/// Brings the stack up and keeps it up until the end is asked for.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let interrupt = Interrupt::install()?;
    let checkout = Checkout::find()?;
    let _lock = checkout.lock(PURPOSE)?;
    let mut needs = vec![&POSTGRES, &REDIS];
    if arguments.broker == Broker::Amqp {
        needs.push(&RABBITMQ);
    }
    packages::require(&needs, !arguments.no_install, &interrupt)?;
    let console = Console::start()?;
    let place = Place {
        runtime: checkout.runtime(PURPOSE)?,
        checkout,
        purpose: PURPOSE,
        durability: Durability::Kept,
        log: Log::Stream(console.clone()),
        interrupt,
    };
    let outcome = up(arguments, place, &console);
    console.flush();
    outcome
}

fn up(arguments: &Arguments, place: Place, console: &Console) -> Result<()> {
    let begin = Instant::now();
    // Before anything that takes time: a taken port is said at once.
    let sockets = Sockets::open(arguments.http, arguments.https, place.runtime.path())?;
    let mut databases = Databases::start(&place, arguments.broker == Broker::Amqp)?;
    let build = Build::new(
        &place.checkout,
        arguments.release,
        arguments.programs.as_deref(),
    )?;
    if arguments.programs.is_none() {
        console.line(PURPOSE, "building");
        console.flush();
        succeed(&mut build.command(), &place.interrupt)?;
    }
    let mut stack = Stack::new(&place, build.adopt_all()?, sockets)?;
    stack.processes = arguments.processes;
    let coloured = console.coloured().to_string();
    stack.set("KIUAS__TELEMETRY__COLOUR", &coloured);
    stack.connect(&databases.postgres, &databases.redis)?;
    if let Some(rabbitmq) = &mut databases.rabbitmq {
        rabbitmq.wait(&place)?;
        stack.set("KIUAS__QUEUE__BROKER", "amqp");
        stack.set("KIUAS__QUEUE__AMQP__URL", &rabbitmq.url());
    }
    let watch = (!arguments.no_watch && arguments.programs.is_none())
        .then(|| watch(&place.checkout, console))
        .flatten();
    let mut session = Session::new(stack, databases, place, console.clone());
    session.prepare()?;
    session.start_all()?;
    session.greet(begin.elapsed())?;
    let outcome = session.keep_up(Rebuild::new(build, watch));
    session.stop();
    outcome
}

/// Without a watcher the stack is still worth having.
fn watch(checkout: &Checkout, console: &Console) -> Option<Watch> {
    match Watch::start(checkout.root()) {
        Ok(watch) => Some(watch),
        Err(error) => {
            complain(&error);
            console.line(PURPOSE, "changes are not watched; restart to see them");
            None
        }
    }
}

#[cfg(test)]
mod tests;
