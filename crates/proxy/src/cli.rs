//! The arguments of `kiuas-proxy`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use kiuas_common::settings::{SettingsError, Sources};
use kiuas_common::{Address, Settings};
use kiuas_proxy::admin::{Upgrade, Verb};
use kiuas_proxy::settings::ProxySettings;

/// The front proxy: HTTPS, static files, and forwarding to applications.
#[derive(Debug, Parser)]
#[command(name = "kiuas-proxy", version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve until SIGTERM.
    Serve(Common),
    /// Check the settings without starting: exit status 0 if they can be used, else 64.
    Check(Common),
    /// Print the settings in force and where each comes from; secrets are not shown.
    Config(Show),
    /// Ask or change a running proxy through its control socket.
    Ctl(Ctl),
    /// Let a new process take the running one's place; the same as `ctl upgrade`.
    Upgrade(UpgradeCommand),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Signals:
  SIGTERM, SIGINT, SIGQUIT  finish what is under way and end; a second one cuts what is left
  SIGHUP                    read the settings anew; connections are never touched
  SIGUSR1                   open the access log anew (logrotate)
  SIGUSR2                   let a new process take over, as `kiuas-proxy upgrade` does

Examples:
  kiuas-proxy serve
  kiuas-proxy serve --config /etc/kiuas --set proxy.http=0.0.0.0:80
  KIUAS_ENV=production kiuas-proxy check")]
pub(crate) struct Common {
    /// Directory of the settings files; default: `KIUAS_CONFIG`, else `config`
    #[arg(long, value_name = "DIR")]
    config: Option<PathBuf>,
    /// Override a setting; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_value)]
    set: Vec<(String, String)>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kiuas-proxy config
  kiuas-proxy config --json --set proxy.threads=2")]
pub(crate) struct Show {
    /// As JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) common: Common,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Exit status: 0 done, 1 not done (no proxy answers, or it says why not), 64 wrong usage.

Examples:
  kiuas-proxy ctl status
  kiuas-proxy ctl status --json
  kiuas-proxy ctl --socket /run/kiuas/proxy.sock status")]
pub(crate) struct Ctl {
    /// The control socket; default: `proxy.control` of the settings
    #[arg(long, value_name = "PATH", global = true)]
    socket: Option<String>,
    /// Print the answer as JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Directory of the settings files; default: `KIUAS_CONFIG`, else `config`
    #[arg(long, value_name = "DIR", global = true)]
    config: Option<PathBuf>,
    /// Override a setting; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_value, global = true)]
    set: Vec<(String, String)>,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

#[derive(Debug, Args)]
pub(crate) struct UpgradeCommand {
    /// The control socket; default: `proxy.control` of the settings
    #[arg(long, value_name = "PATH")]
    socket: Option<String>,
    /// Print the answer as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    upgrade: Upgrade,
}

impl From<UpgradeCommand> for Ctl {
    fn from(command: UpgradeCommand) -> Self {
        Self {
            socket: command.socket,
            json: command.json,
            config: command.common.config,
            set: command.common.set,
            verb: Verb::Upgrade(command.upgrade),
        }
    }
}

impl Ctl {
    /// The path of the control socket.
    pub(crate) fn path(&self) -> anyhow::Result<PathBuf> {
        if let Some(socket) = &self.socket {
            return Ok(socket.strip_prefix("unix:").unwrap_or(socket).into());
        }
        let common = Common {
            config: self.config.clone(),
            set: self.set.clone(),
        };
        let settings = Settings::load(&common.sources()?)?;
        let proxy: ProxySettings = settings.section("proxy")?;
        match proxy.control {
            Some(Address::Unix(path)) => Ok(path),
            _ => anyhow::bail!(
                "no control socket: write `control = \"unix:/path/to.sock\"` in [proxy], or use --socket"
            ),
        }
    }
}

impl Common {
    /// Where the settings come from.
    pub(crate) fn sources(&self) -> Result<Sources, SettingsError> {
        let mut sources = Sources::from_process()?;
        if let Some(directory) = &self.config {
            sources.directory.clone_from(directory);
        }
        sources.overrides.clone_from(&self.set);
        Ok(sources)
    }
}

fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if key.contains('.') => Ok((key.to_owned(), value.to_owned())),
        _ => Err(format!("`{text}` must be SECTION.KEY=VALUE")),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
