//! The components of the stack, started as a server's supervisor would start them: listening sockets
//! opened here and inherited, readiness told through `NOTIFY_SOCKET`.

mod component;
mod holder;
mod readiness;
mod sockets;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

pub(crate) use component::Component;
pub(crate) use sockets::Sockets;

use crate::interrupt::Interrupt;
use crate::process::{Ending, Failed, Log, Service};
use crate::services::{Place, Postgres, Redis};
use readiness::Readiness;

/// A child of a pool may take a minute to become ready.
const START: Duration = Duration::from_secs(90);

/// Where the three programs are.
#[derive(Debug, Clone)]
pub(crate) struct Programs {
    directory: PathBuf,
}

/// The names of the programs.
pub(crate) const PROGRAMS: [&str; 3] = ["kiuas-pool", "kiuas-proxy", "site"];

impl Programs {
    /// In `directory`.
    pub(crate) fn at(directory: PathBuf) -> Self {
        Self { directory }
    }

    /// The program `name`.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }
}

/// What every component of one stack is started with.
#[derive(Debug)]
pub(crate) struct Stack {
    /// The programs.
    pub(crate) programs: Programs,
    /// Children of the web pool.
    pub(crate) processes: u16,
    /// The listening sockets.
    pub(crate) sockets: Sockets,
    log: Log,
    interrupt: Interrupt,
    root: PathBuf,
    runtime: PathBuf,
    authority: PathBuf,
    mail: PathBuf,
    environment: Vec<(String, String)>,
}

impl Stack {
    /// The stack of `place`, not started yet.
    pub(crate) fn new(place: &Place, programs: Programs, sockets: Sockets) -> Result<Self> {
        let state = place.checkout.state(place.purpose)?;
        Ok(Self {
            programs,
            processes: 2,
            sockets,
            log: place.log.clone(),
            interrupt: place.interrupt.clone(),
            root: place.checkout.root().to_owned(),
            runtime: place.runtime.path().to_owned(),
            authority: state.join("tls"),
            mail: state.join("mail"),
            environment: Vec::new(),
        })
    }

    /// Settings of development that lead to `postgres` and `redis`.
    pub(crate) fn connect(&mut self, postgres: &Postgres, redis: &Redis) -> Result<()> {
        self.set("KIUAS_ENV", "development");
        self.set("KIUAS__POSTGRES__URL", &postgres.database("kiuas")?);
        self.set("KIUAS__REDIS__URL", &redis.url());
        let base = self.url()?;
        self.set("KIUAS__APP__BASE_URL", &base);
        let target = format!("unix:{}", self.sockets.web_path().display());
        self.set("KIUAS__PROXY__UPSTREAMS__APP__TARGETS", &target);
        let authority = self.authority.display().to_string();
        self.set("KIUAS__PROXY__TLS__DIRECTORY", &authority);
        let mail = self.mail.display().to_string();
        self.set("KIUAS__MAIL__DIRECTORY", &mail);
        Ok(())
    }

    /// Sets one variable for all components.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.environment.retain(|(known, _)| known != name);
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// `program` with the stack's settings, to be run in the foreground.
    pub(crate) fn command(&self, program: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(&self.root);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Starts `component` and waits until it says that it may receive work.
    pub(crate) fn start(&self, component: Component) -> Result<Service> {
        let readiness = Readiness::listen(&self.runtime, component.name())?;
        let (program, arguments) = component.command(&self.programs, self.processes);
        let mut command = self.command(&program, &[]);
        command.args(arguments);
        command.env("NOTIFY_SOCKET", readiness.path());
        command.env("KIUAS_FOLLOW_PARENT", std::process::id().to_string());
        self.sockets.hand_over(component, &mut command)?;
        let ending = Ending {
            signal: rustix::process::Signal::TERM,
            patience: component.patience(),
        };
        let name = component.name();
        let mut service = Service::start(name, command, &self.log, ending, &self.interrupt)?;
        let what = format!("starting {name}");
        self.interrupt.wait(&what, START, || {
            if readiness.is_ready()? {
                return Ok(true);
            }
            match service.ended() {
                Some(status) => {
                    let what = format!("{name} ended before it was ready");
                    Err(Failed { what, status }.into())
                }
                None => Ok(false),
            }
        })?;
        Ok(service)
    }

    /// Where the local authority's certificate is, for browsers.
    pub(crate) fn authority(&self) -> PathBuf {
        self.authority.join("authority.pem")
    }

    /// The main address of the site.
    pub(crate) fn url(&self) -> Result<String> {
        Ok(format!("http://{}", self.sockets.http_address()?))
    }
}

#[cfg(test)]
mod tests;
