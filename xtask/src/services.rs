//! Private PostgreSQL, Redis and RabbitMQ servers of this checkout. No system service is ever touched.

mod account;
mod binaries;
mod orphan;
mod postgres;
mod rabbitmq;
mod redis;

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

pub(crate) use account::Account;
pub(crate) use binaries::Binaries;
pub(crate) use postgres::Postgres;
pub(crate) use rabbitmq::RabbitMq;
pub(crate) use redis::Redis;

use crate::checkout::{Checkout, Runtime, remove};
use crate::interrupt::Interrupt;
use crate::process::{Log, find};

/// What becomes of the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Durability {
    /// They survive a restart and a crash.
    Kept,
    /// They begin empty each time and are not synced: for tests.
    Scratch,
}

/// Where the services of one command live, and on what terms.
#[derive(Debug)]
pub(crate) struct Place {
    /// Whose they are.
    pub(crate) checkout: Checkout,
    /// The directory under `.kiuas/`.
    pub(crate) purpose: &'static str,
    /// Where their sockets are.
    pub(crate) runtime: Runtime,
    /// What becomes of their data.
    pub(crate) durability: Durability,
    /// Where their output goes.
    pub(crate) log: Log,
    /// Ends every wait.
    pub(crate) interrupt: Interrupt,
}

impl Place {
    /// Empties the directory `data` unless it is kept.
    fn prepare(&self, data: &Path) -> Result<()> {
        match self.durability {
            Durability::Kept => Ok(()),
            Durability::Scratch => remove(data),
        }
    }
}

/// A command that gets `signal` from the kernel when the thread that starts it ends, and that runs as
/// `account` if one is given: a server must not outlive an xtask that was killed.
fn server(program: &Path, signal: &str, account: Option<&Account>) -> Command {
    let mut command = match find("setpriv") {
        Some(setpriv) => {
            let mut command = Command::new(setpriv);
            command.args(["--pdeathsig", signal]);
            if let Some(account) = account {
                command.args(account.setpriv());
            }
            command.arg("--").arg(program);
            command
        }
        None => {
            let mut command = Command::new(program);
            if let Some(account) = account {
                account.apply(&mut command);
            }
            command
        }
    };
    neutral(&mut command);
    command
}

/// Takes away what the user's environment would change: PostgreSQL's own variables and a working
/// directory that another account may not enter.
fn neutral(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        if name.as_encoded_bytes().starts_with(b"PG") {
            command.env_remove(name);
        }
    }
    command.current_dir("/").env("LC_ALL", "C.UTF-8");
}

/// What a service's directory of data is made with.
fn make_directory(path: &Path, account: Option<&Account>) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt;

    if !path.is_dir() {
        std::fs::DirBuilder::new()
            .mode(0o700)
            .recursive(true)
            .create(path)
            .with_context(|| format!("cannot make {}", path.display()))?;
    }
    match account {
        Some(account) => account.own(path),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
