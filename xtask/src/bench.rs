//! `cargo xtask bench NAME`: a component of ours and its peers, measured in turn within one run.
//!
//! What counts is what a request costs in CPU time and how that compares with the peer's cost in the
//! same round: rates depend on what else the machine does, ratios of neighbouring rounds hardly.

mod cost;
mod load;
mod migrate;
mod pool;
mod proxy;
mod python;
mod report;
mod server;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use anyhow::Result;

use crate::checkout::Checkout;
use crate::interrupt::Interrupt;

const EXAMPLES: &str = "\
Examples:
  cargo xtask bench proxy                          every work, 7 rounds, with all peers installed
  cargo xtask bench proxy --only cache --rounds 3  the works with `cache` in their name, fewer rounds
  cargo xtask bench proxy --peers nginx            beside nginx alone
  cargo xtask bench pool                           every work of the pool, 5 rounds
  cargo xtask bench pool --only roll               the works with `roll` in their name
  cargo xtask bench migrate                        1 000 migrations and none, beside Alembic, 3 rounds

`proxy` needs nginx, wrk, h2load and openssl (HAProxy and Caddy are measured where they are installed),
`pool` wrk, `migrate` PostgreSQL; what is missing is installed from Debian's packages. uWSGI, gunicorn, granian, Pyramid
and Alembic come from PyPI into .kiuas/bench. Where CPU time counts, servers run on one core, load and application
on another. The table goes to standard output, the same as JSON to .kiuas/bench/NAME.json.

Exit codes: 0 measured, 1 something failed, 64 wrong usage, 130 interrupted. A figure that misses its
goal is marked, and is no failure.";

/// Flags of `cargo xtask bench`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// What is measured
    #[arg(value_enum)]
    name: Name,
    /// Rounds; each measures every server once [default: proxy 7, pool 5, migrate 3]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: Option<u32>,
    /// Seconds of load for each server in a round
    #[arg(long, default_value_t = 1.0)]
    seconds: f64,
    /// Only works with this text in their name
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Which peers; by default all that are installed
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    peers: Option<Vec<String>>,
    /// Install nothing; say what is missing
    #[arg(long)]
    no_install: bool,
    /// Take our programs from this directory of cargo's instead of building them with profile `dist`
    #[arg(long, value_name = "DIR")]
    programs: Option<PathBuf>,
}

impl Arguments {
    /// Whether the work of this name is to be measured.
    fn wants(&self, work: &str) -> bool {
        self.only
            .as_ref()
            .is_none_or(|only| work.to_lowercase().contains(&only.to_lowercase()))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Name {
    /// The migration runner beside Alembic
    Migrate,
    /// The worker pool beside uWSGI, gunicorn, granian and actix-web alone
    Pool,
    /// The front proxy beside nginx, HAProxy and Caddy
    Proxy,
}

/// Measures.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let interrupt = Interrupt::install()?;
    let checkout = Checkout::find()?;
    let _lock = checkout.lock("bench")?;
    match arguments.name {
        Name::Migrate => migrate::run(arguments, &checkout, &interrupt),
        Name::Pool => pool::run(arguments, &checkout, &interrupt),
        Name::Proxy => proxy::run(arguments, &checkout, &interrupt),
    }
}
