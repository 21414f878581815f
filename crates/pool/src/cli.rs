//! The arguments of `kiuas-pool`.

mod ctl;

use std::path::PathBuf;

use anyhow::bail;
use clap::{Args, Parser, Subcommand};
use kiuas_common::{Address, Period, Settings};
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
    /// Run pools until SIGTERM.
    Run(Run),
    /// Ask or change a running pool through its control socket.
    Ctl(Ctl),
    /// Check the settings as `run` with the same arguments would: exit status 0 if they are good, else 64.
    Check(Check),
    /// Ask an admin listener whether it is ready: exit status 0 if so, else 1.
    Health(Health),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Signals:
  SIGHUP           roll: replace the children one by one, each when its successor is ready
  SIGUSR2          upgrade: go on as the program that is in the pool's file now
  SIGTTIN, SIGTTOU one child more, one child less
  SIGTERM, SIGINT  drain and end; a second one kills what is left

Examples:
  kiuas-pool run --listen unix:/run/kiuas/web.sock -- site serve
  kiuas-pool run --name worker --processes 1 -- site worker
  kiuas-pool run --name web --admin 127.0.0.1:9001      (command from [pool.web])
  kiuas-pool run --all                                  (every [pool.NAME] of the settings)")]
pub(crate) struct Run {
    /// Name of the pool: its section [pool.NAME] and its sockets; may be repeated
    #[arg(long, default_value = "web")]
    name: Vec<String>,
    /// Every pool that has a section
    #[arg(long, conflicts_with = "name")]
    all: bool,
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

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kiuas-pool check --all
  kiuas-pool check --name web -- site serve")]
pub(crate) struct Check {
    /// The form in which a running pool would hand over to this program
    #[arg(long, hide = true)]
    pub(crate) form: Option<u32>,
    #[command(flatten)]
    pub(crate) run: Run,
}

impl Run {
    /// The pools that are meant. What was given on the command line wins over the settings, and is for a
    /// single pool.
    pub(crate) fn pools(self, settings: &Settings) -> anyhow::Result<Vec<(String, PoolSettings)>> {
        let mut sections = PoolSettings::all(settings)?;
        let names: Vec<String> = if self.all {
            sections.keys().cloned().collect()
        } else {
            self.name.clone()
        };
        if names.is_empty() {
            bail!("the settings have no section [pool.NAME]");
        }
        if names.len() > 1 && self.is_for_one() {
            bail!("arguments about one pool need one --name: write them in [pool.NAME] instead");
        }
        let mut pools = Vec::new();
        for name in names {
            let mut pool = sections.remove(&name).unwrap_or_default();
            self.override_settings(&mut pool);
            pool.validate(&name)
                .map_err(|error| error.written_in(settings))?;
            if pools.iter().any(|(other, _)| *other == name) {
                bail!("pool `{name}` is named twice");
            }
            pools.push((name, pool));
        }
        Ok(pools)
    }

    fn is_for_one(&self) -> bool {
        let times = [self.start_timeout, self.drain_timeout, self.ready_after];
        !self.command.is_empty()
            || !self.listen.is_empty()
            || self.processes.is_some()
            || self.admin.is_some()
            || times.iter().any(Option::is_some)
    }

    fn override_settings(&self, settings: &mut PoolSettings) {
        if !self.command.is_empty() {
            settings.command.clone_from(&self.command);
        }
        if !self.listen.is_empty() {
            settings.listen.clone_from(&self.listen);
        }
        settings.processes = self.processes.unwrap_or(settings.processes);
        settings.start_timeout = self.start_timeout.unwrap_or(settings.start_timeout);
        settings.drain_timeout = self.drain_timeout.unwrap_or(settings.drain_timeout);
        settings.ready_after = self.ready_after.or(settings.ready_after);
        if let Some(admin) = &self.admin {
            settings.admin = Some(admin.clone());
        }
    }
}

fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if key.contains('.') => Ok((key.to_owned(), value.to_owned())),
        _ => Err(format!("`{text}` must be SECTION.KEY=VALUE")),
    }
}
