//! The arguments of `kiuas-pool`.

mod ctl;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use kiuas_common::{Address, Period};
use kiuas_pool::PoolSettings;

pub(crate) use ctl::{Ctl, Verb};

/// Keeps processes alive over shared listening sockets and replaces them without losing a request.
#[derive(Debug, Parser)]
#[command(name = "kiuas-pool", version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a pool until SIGTERM.
    Run(Run),
    /// Ask or change a running pool through its control socket.
    Ctl(Ctl),
    /// Ask an admin listener whether it is ready: exit status 0 if so, else 1.
    Health(Health),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Signals:
  SIGHUP           roll: replace the children one by one, each when its successor is ready
  SIGTERM, SIGINT  drain and end; a second one kills what is left

Examples:
  kiuas-pool run --listen unix:/run/kiuas/web.sock -- site serve
  kiuas-pool run --name worker --processes 1 -- site worker
  kiuas-pool run --name web --admin 127.0.0.1:9001      (command from [pool.web])")]
pub(crate) struct Run {
    /// Name of the pool: its section [pool.NAME] and its sockets
    #[arg(long, default_value = "web")]
    pub(crate) name: String,
    /// How many children to keep
    #[arg(long, value_name = "N")]
    processes: Option<usize>,
    /// Address to listen on for the children: `HOST:PORT` or `unix:/path`; may be repeated
    #[arg(long, value_name = "ADDRESS")]
    listen: Vec<Address>,
    /// How long a child may take to become ready, such as 60s
    #[arg(long, value_name = "TIME")]
    start_timeout: Option<Period>,
    /// How long a child may take to finish after SIGTERM, such as 35s
    #[arg(long, value_name = "TIME")]
    drain_timeout: Option<Period>,
    /// For programs that do not speak `sd_notify`: ready after so long
    #[arg(long, value_name = "TIME")]
    ready_after: Option<Period>,
    /// Where to answer /healthz, /readyz and /metrics
    #[arg(long, value_name = "ADDRESS")]
    admin: Option<Address>,
    /// Directory of the settings files; default: `KIUAS_CONFIG`, else `config`
    #[arg(long, value_name = "DIR")]
    pub(crate) config: Option<PathBuf>,
    /// Override a setting; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_value)]
    pub(crate) set: Vec<(String, String)>,
    /// The program and its arguments
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kiuas-pool health --admin 127.0.0.1:9001
  kiuas-pool health --admin unix:/run/kiuas/beat.sock --timeout 1s")]
pub(crate) struct Health {
    /// The admin listener to ask
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) admin: Address,
    /// How long it may take to answer
    #[arg(long, value_name = "TIME", default_value = "3s")]
    pub(crate) timeout: Period,
}

impl Run {
    /// What was given on the command line wins over the settings.
    pub(crate) fn override_settings(self, settings: &mut PoolSettings) {
        if !self.command.is_empty() {
            settings.command = self.command;
        }
        if !self.listen.is_empty() {
            settings.listen = self.listen;
        }
        settings.processes = self.processes.unwrap_or(settings.processes);
        settings.start_timeout = self.start_timeout.unwrap_or(settings.start_timeout);
        settings.drain_timeout = self.drain_timeout.unwrap_or(settings.drain_timeout);
        settings.ready_after = self.ready_after.or(settings.ready_after);
        settings.admin = self.admin.or_else(|| settings.admin.take());
    }
}

fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if key.contains('.') => Ok((key.to_owned(), value.to_owned())),
        _ => Err(format!("`{text}` must be SECTION.KEY=VALUE")),
    }
}
