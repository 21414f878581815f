//! A private PostgreSQL server: one Unix socket, no port.
//!
//! Only the owner of the socket's directory (mode 0700) and root can reach it, so it asks for no
//! password.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::Signal;

use super::{Account, Binaries, Durability, Place, make_directory, neutral, orphan, server};
use crate::checkout::{Checkout, check_own_directory, remove};
use crate::interrupt::Interrupt;
use crate::process::{Ending, Log, Service, output};

/// The administrator inside the server.
const ADMINISTRATOR: &str = "postgres";
/// Recovery after a crash may take a while.
const START: Duration = Duration::from_secs(60);
/// SIGINT is PostgreSQL's fast shutdown: it ends connections and writes a checkpoint.
const ENDING: Ending = Ending {
    signal: Signal::INT,
    patience: Duration::from_secs(20),
};

/// A running server.
#[derive(Debug)]
pub(crate) struct Postgres {
    service: Service,
    binaries: Binaries,
    account: Option<Account>,
    sockets: PathBuf,
}

impl Postgres {
    /// Starts the server of `place` and waits until it answers.
    pub(crate) fn start(place: &Place) -> Result<Self> {
        let account = Account::unprivileged()?;
        let data = data_directory(&place.checkout, place.purpose, account.as_ref())?;
        let pid_file = data.join("postmaster.pid");
        let mark = data.to_string_lossy();
        orphan::clear(&pid_file, &mark, Signal::INT, &place.interrupt)?;
        place.prepare(&data)?;
        let binaries = initialised(&data, account.as_ref())?;
        if account.is_some() {
            place.runtime.let_pass()?;
        }
        let sockets = place.runtime.path().join("pg");
        make_directory(&sockets, account.as_ref())?;
        let mut command = server(&binaries.program("postgres"), "INT", account.as_ref());
        command.arg("-D").arg(&data).arg("-k").arg(&sockets);
        for setting in settings(place.durability) {
            command.args(["-c", setting]);
        }
        let service = Service::start("postgres", command, &place.log, ENDING, &place.interrupt)?;
        let mut this = Self {
            service,
            binaries,
            account,
            sockets,
        };
        this.wait(&place.log, &place.interrupt)?;
        Ok(this)
    }

    /// URL of the server for its administrator, without a database.
    pub(crate) fn server_url(&self) -> String {
        format!(
            "postgres:///?host={}&user={ADMINISTRATOR}",
            self.sockets.display()
        )
    }

    /// Makes the role and database `name` unless they exist, and returns the database's URL. The role
    /// owns its database and is no administrator, as on a server.
    pub(crate) fn database(&self, name: &str) -> Result<String> {
        let found = self.query(&format!(
            "SELECT 1 FROM pg_database WHERE datname = '{name}'"
        ))?;
        if found.trim() != "1" {
            let role = self.query(&format!("SELECT 1 FROM pg_roles WHERE rolname = '{name}'"))?;
            if role.trim() != "1" {
                self.query(&format!("CREATE ROLE {name} LOGIN"))?;
            }
            self.query(&format!("CREATE DATABASE {name} OWNER {name}"))?;
        }
        Ok(format!(
            "postgres:///{name}?host={}&user={name}",
            self.sockets.display()
        ))
    }

    /// The process, to watch and to stop.
    pub(crate) fn service(&mut self) -> &mut Service {
        &mut self.service
    }

    fn query(&self, statement: &str) -> Result<String> {
        let mut command = self.client("psql");
        command.args(["--no-psqlrc", "--tuples-only", "--no-align", "--quiet"]);
        command.args(["--dbname=postgres", "--command", statement]);
        output(&mut command)
    }

    fn client(&self, program: &str) -> Command {
        let mut command = Command::new(self.binaries.program(program));
        if let Some(account) = &self.account {
            account.apply(&mut command);
        }
        neutral(&mut command);
        command
            .arg("--host")
            .arg(&self.sockets)
            .args(["--username", ADMINISTRATOR]);
        command
    }

    fn wait(&mut self, log: &Log, interrupt: &Interrupt) -> Result<()> {
        let mut probe = self.client("pg_isready");
        probe.args(["--quiet", "--dbname=postgres"]);
        interrupt.wait("starting PostgreSQL", START, || {
            if let Some(status) = self.service.ended() {
                bail!("PostgreSQL ended at its start ({status}){}", hint(log));
            }
            Ok(probe.status()?.success())
        })
    }
}

fn hint(log: &Log) -> String {
    match log {
        Log::Stream(_) => String::new(),
        Log::Directory(path) => format!("; see {}/postgres.log", path.display()),
    }
}

fn settings(durability: Durability) -> &'static [&'static str] {
    match durability {
        Durability::Kept => &["listen_addresses=", "logging_collector=off"],
        Durability::Scratch => &[
            "listen_addresses=",
            "logging_collector=off",
            "fsync=off",
            "full_page_writes=off",
            "synchronous_commit=off",
            "max_connections=400",
        ],
    }
}

/// `.kiuas/PURPOSE/postgres`. Where the account may not enter the checkout, that is a link into a
/// directory of this checkout's own under `/var/tmp`.
fn data_directory(
    checkout: &Checkout,
    purpose: &str,
    account: Option<&Account>,
) -> Result<PathBuf> {
    let state = checkout.state(purpose)?;
    let here = state.join("postgres");
    if account.is_none_or(|account| account.reaches(&state)) && !here.is_symlink() {
        return Ok(here);
    }
    let elsewhere =
        PathBuf::from("/var/tmp").join(format!("kiuas-{}-{purpose}", checkout.identity()));
    if !elsewhere.exists() {
        make_directory(&elsewhere, None)?;
    }
    check_own_directory(&elsewhere)?;
    if let Some(account) = account {
        fs::set_permissions(&elsewhere, fs::Permissions::from_mode(0o711))?;
        if !account.reaches(&elsewhere) {
            bail!("PostgreSQL's account may not enter {}", elsewhere.display());
        }
    }
    let data = elsewhere.join("postgres");
    if !here.is_symlink() {
        std::os::unix::fs::symlink(&data, &here)
            .with_context(|| format!("cannot link {}", here.display()))?;
    }
    Ok(data)
}

/// Makes the data unless they exist; returns the programs that can read them.
fn initialised(data: &Path, account: Option<&Account>) -> Result<Binaries> {
    if let Ok(major) = fs::read_to_string(data.join("PG_VERSION")) {
        let major = major.trim();
        return Binaries::of_major(major).with_context(|| {
            format!(
                "the data in {} are PostgreSQL {major}'s: install postgresql-{major}, or remove them",
                data.display()
            )
        });
    }
    let binaries = Binaries::newest()?;
    // Under another name until it is whole: an interrupted initdb must not pass for a server's data.
    let unfinished = data.with_extension("unfinished");
    remove(&unfinished)?;
    make_directory(&unfinished, account)?;
    let mut command = Command::new(binaries.program("initdb"));
    if let Some(account) = account {
        account.apply(&mut command);
    }
    neutral(&mut command);
    command.args(["--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8"]);
    command.args(["--username", ADMINISTRATOR, "--no-sync", "--pgdata"]);
    output(command.arg(&unfinished)).context("cannot make PostgreSQL's data")?;
    fs::rename(&unfinished, data)
        .with_context(|| format!("cannot move the new data to {}", data.display()))?;
    Ok(binaries)
}
