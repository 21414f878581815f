//! The servers under test and the application behind them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::super::load::{LOAD_CORE, SERVER_CORE, pinned};
use super::super::server::{free_port, service, wait};
use crate::interrupt::Interrupt;
use crate::process::{Service, find};

/// A server that can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Ours.
    Kiuas,
    Nginx,
    HaProxy,
    Caddy,
}

impl Kind {
    /// Everybody else.
    pub(super) const PEERS: [Self; 3] = [Self::Nginx, Self::HaProxy, Self::Caddy];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Kiuas => "kiuas",
            Self::Nginx => "nginx",
            Self::HaProxy => "haproxy",
            Self::Caddy => "caddy",
        }
    }

    fn program(self, ours: &Path) -> Option<PathBuf> {
        match self {
            Self::Kiuas => Some(ours.to_owned()),
            other => find(other.name()),
        }
    }

    fn settings(self) -> (&'static str, &'static str) {
        match self {
            Self::Kiuas => ("default.toml", include_str!("kiuas.toml")),
            Self::Nginx => ("nginx.conf", include_str!("nginx.conf")),
            Self::HaProxy => ("haproxy.cfg", include_str!("haproxy.cfg")),
            Self::Caddy => ("Caddyfile", include_str!("Caddyfile")),
        }
    }

    fn arguments(self, command: &mut Command, file: &Path) {
        match self {
            Self::Kiuas => {
                let directory = file.parent().unwrap_or(file);
                command.arg("serve");
                command.env("KIUAS_CONFIG", directory);
                command.env("KIUAS_ENV", "testing");
            }
            Self::Nginx => {
                command.arg("-c").arg(file);
            }
            Self::HaProxy => {
                command.arg("-f").arg(file);
            }
            Self::Caddy => {
                command.arg("run").arg("--config").arg(file);
                command.env("GOMAXPROCS", "1");
                // It keeps its last configuration; its option against that is younger than Debian's.
                let directory = file.parent().unwrap_or(file);
                command.env("XDG_CONFIG_HOME", directory);
                command.env("XDG_DATA_HOME", directory);
            }
        }
    }

    /// What it calls itself.
    pub(super) fn version(self) -> Option<String> {
        let argument = match self {
            Self::Kiuas => return None,
            Self::Caddy => "version",
            _ => "-v",
        };
        let output = Command::new(find(self.name())?)
            .arg(argument)
            .output()
            .ok()?;
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text).into_owned();
        let line = text.lines().next()?.trim_start_matches("nginx version: ");
        Some(match self {
            Self::Caddy => format!("Caddy {line}"),
            _ => line.split(" - ").next().unwrap_or(line).to_owned(),
        })
    }
}

/// Where everything is.
#[derive(Debug, Clone)]
pub(super) struct Stage {
    /// Settings, logs, files, sockets.
    pub(super) directory: PathBuf,
    /// The application's port.
    pub(super) app: u16,
    /// Our program.
    pub(super) program: PathBuf,
    pub(super) interrupt: Interrupt,
}

/// A running server.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) kind: Kind,
    pub(super) http: u16,
    pub(super) https: u16,
    pub(super) rsa: u16,
    service: Service,
}

impl Server {
    /// Starts `kind`; `None` if it is not installed.
    pub(super) fn start(kind: Kind, stage: &Stage) -> Result<Option<Self>> {
        let Some(program) = kind.program(&stage.program) else {
            return Ok(None);
        };
        let (http, https) = (free_port()?, free_port()?);
        // Ours chooses the certificate by name, the others by port.
        let rsa = match kind {
            Kind::Kiuas => https,
            _ => free_port()?,
        };
        let (name, text) = kind.settings();
        let file = stage.directory.join(name);
        let text = filled(text, stage)
            .replace("@HTTP@", &http.to_string())
            .replace("@HTTPS@", &https.to_string())
            .replace("@RSA@", &rsa.to_string());
        fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
        let mut command = pinned(SERVER_CORE, &program);
        kind.arguments(&mut command, &file);
        let service = service(kind.name(), command, &stage.directory, &stage.interrupt)?;
        let mut server = Self {
            kind,
            http,
            https,
            rsa,
            service,
        };
        wait(
            &mut server.service,
            &[http, https],
            &stage.directory,
            &stage.interrupt,
        )?;
        Ok(Some(server))
    }

    /// The first process; those below it belong to it.
    pub(super) fn pid(&self) -> u32 {
        self.service.id()
    }
}

/// The application. It shares the core of the load.
pub(super) fn application(stage: &Stage) -> Result<Service> {
    let file = stage.directory.join("app.conf");
    fs::write(&file, filled(include_str!("app.conf"), stage))?;
    let program = find("nginx").context("nginx is missing")?;
    let mut command = pinned(LOAD_CORE, &program);
    command.arg("-c").arg(&file);
    let mut service = service("app", command, &stage.directory, &stage.interrupt)?;
    wait(
        &mut service,
        &[stage.app],
        &stage.directory,
        &stage.interrupt,
    )?;
    Ok(service)
}

fn filled(text: &str, stage: &Stage) -> String {
    text.replace("@DIR@", &stage.directory.to_string_lossy())
        .replace("@APP@", &stage.app.to_string())
}
