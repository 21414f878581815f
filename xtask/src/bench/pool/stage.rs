//! What has to be there before a server starts, how it is laid out, and a server that runs.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::Signal;

use super::super::cost;
use super::super::load::{SERVER_CORE, pinned};
use super::super::server::{free_port, service, wait};
use super::contender::{Contender, Kind, Way, filled};
use crate::checkout::{Checkout, Runtime, remove};
use crate::interrupt::Interrupt;
use crate::process::{Service, cargo, succeed};

/// Longest time until a roll is over.
const ROLL: Duration = Duration::from_secs(30);
/// So many answers in a row must come from new processes.
const RENEWED: usize = 12;
const GLANCE: Duration = Duration::from_millis(20);
/// For one answer while a roll is watched.
const ANSWER: Duration = Duration::from_secs(3);

/// Where everything is.
#[derive(Debug)]
pub(super) struct Stage {
    /// Settings, logs, sockets, the application for Python.
    pub(super) directory: PathBuf,
    /// Our programs; the examples are in `examples`.
    pub(super) programs: PathBuf,
    /// The programs of the Python environment, if there is one.
    pub(super) python: Option<PathBuf>,
    pub(super) interrupt: Interrupt,
    /// Removes the directory at the end.
    _runtime: Runtime,
}

/// Builds what is measured as it is meant to run, and says where it is.
pub(super) fn build(checkout: &Checkout, interrupt: &Interrupt) -> Result<PathBuf> {
    // Apart: the tests' helpers that examples of `kiuas-web` are built with are not for the pool.
    let builds: [&[&str]; 2] = [
        &[
            "--package=kiuas-pool",
            "--bin=kiuas-pool",
            "--example=callers",
        ],
        &[
            "--package=kiuas-web",
            "--example=measured",
            "--example=bare",
            "--example=trouble",
        ],
    ];
    for what in builds {
        let mut command = cargo();
        command.current_dir(checkout.root());
        command.args(["build", "--profile=dist"]).args(what);
        succeed(&mut command, interrupt)?;
    }
    Ok(checkout.target().join("dist"))
}

impl Stage {
    /// Makes an empty directory and fills it.
    pub(super) fn set(
        checkout: &Checkout,
        programs: PathBuf,
        python: Option<PathBuf>,
        interrupt: &Interrupt,
    ) -> Result<Self> {
        let runtime = checkout.runtime("bench")?;
        let directory = runtime.path().to_owned();
        remove(&checkout.state("bench")?.join("pool.json"))?;
        fs::write(directory.join("app.py"), include_str!("app.py"))
            .context("cannot write the application for Python")?;
        Ok(Self {
            directory,
            programs,
            python,
            interrupt: interrupt.clone(),
            _runtime: runtime,
        })
    }

    /// The directory of the settings of our pool.
    pub(super) fn settings(&self, contender: Contender) -> PathBuf {
        self.directory.join(format!("{}.settings", contender.name))
    }

    /// The program that calls.
    pub(super) fn callers(&self) -> PathBuf {
        self.programs.join("examples/callers")
    }
}

/// How a server is laid out: the same for all contenders.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout {
    pub(super) processes: u32,
    /// A process.
    pub(super) threads: u32,
    /// How long the application takes to start.
    pub(super) start_ms: u64,
    /// On one core, so that the load has the other.
    pub(super) is_pinned: bool,
    /// Which of our examples.
    pub(super) example: &'static str,
    pub(super) request_timeout: &'static str,
    pub(super) hard_grace: &'static str,
}

impl Layout {
    /// So many processes and threads, and else what most works need.
    pub(super) fn of(processes: u32, threads: u32) -> Self {
        Self {
            processes,
            threads,
            start_ms: 0,
            is_pinned: false,
            example: "measured",
            request_timeout: "30s",
            hard_grace: "10s",
        }
    }

    pub(super) fn command(&self, program: &Path) -> Command {
        if self.is_pinned {
            pinned(SERVER_CORE, program)
        } else {
            Command::new(program)
        }
    }
}

/// A server that runs. It ends when this is dropped.
#[derive(Debug)]
pub(super) struct Running<'a> {
    stage: &'a Stage,
    contender: Contender,
    layout: Layout,
    port: u16,
    service: Service,
}

impl<'a> Running<'a> {
    /// Starts `contender` and waits until it answers.
    pub(super) fn start(contender: Contender, layout: Layout, stage: &'a Stage) -> Result<Self> {
        let port = free_port()?;
        if matches!(contender.kind, Kind::Kiuas | Kind::ActixPool) {
            let directory = stage.settings(contender);
            fs::create_dir_all(&directory)?;
            let text = include_str!("kiuas.toml");
            let text = filled(text, stage, &layout, contender, port);
            fs::write(directory.join("default.toml"), text).context("cannot write settings")?;
        }
        fs::write(contender.touched(stage), "").context("cannot write a file to touch")?;
        let service = serve(contender, &layout, stage, port)?;
        let this = Self {
            stage,
            contender,
            layout,
            port,
            service,
        };
        this.answers()?;
        Ok(this)
    }

    /// The first process; those below it belong to it.
    pub(super) fn pid(&self) -> u32 {
        self.service.id()
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    pub(super) fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// `unix:/path`, if it listens on one.
    pub(super) fn socket(&self) -> Option<String> {
        let file = self.contender.socket(self.stage)?;
        Some(format!("unix:{}", file.display()))
    }

    /// What it has logged.
    pub(super) fn log(&self) -> Result<String> {
        let file = self.log_file();
        fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))
    }

    fn log_file(&self) -> PathBuf {
        let name = format!("{}.log", self.contender.name);
        self.stage.directory.join(name)
    }

    /// Starts the application anew, and returns when new processes alone answer.
    pub(super) fn roll(&mut self) -> Result<()> {
        let old = cost::tree(self.pid())?;
        match self.contender.way {
            Way::Hup => self.service.signal(Signal::HUP),
            Way::Touch => {
                // uWSGI looks at the time of the last change, in whole seconds.
                std::thread::sleep(Duration::from_secs(1));
                fs::write(self.contender.touched(self.stage), "")?;
            }
            Way::Restart => {
                self.service.stop();
                self.service = serve(self.contender, &self.layout, self.stage, self.port)?;
            }
        }
        let mut in_a_row = 0;
        let begun = Instant::now();
        while in_a_row < RENEWED {
            self.stage.interrupt.check()?;
            if begun.elapsed() > ROLL {
                bail!("the roll of {} did not end", self.contender.name);
            }
            match who(self.address()) {
                Some(pid) if !old.contains(&pid) => in_a_row += 1,
                _ => {
                    in_a_row = 0;
                    std::thread::sleep(GLANCE);
                }
            }
        }
        Ok(())
    }

    fn answers(&self) -> Result<()> {
        let begun = Instant::now();
        while who(self.address()).is_none() {
            self.stage.interrupt.check()?;
            if begun.elapsed() > ROLL {
                let log = self.log_file();
                bail!(
                    "{} does not answer; its log is {}",
                    self.contender.name,
                    log.display()
                );
            }
            std::thread::sleep(GLANCE);
        }
        Ok(())
    }
}

fn serve(contender: Contender, layout: &Layout, stage: &Stage, port: u16) -> Result<Service> {
    let command = contender
        .command(stage, layout, port)
        .with_context(|| format!("{} is not installed", contender.name))?;
    let mut service = service(contender.name, command, &stage.directory, &stage.interrupt)?;
    wait(&mut service, &[port], &stage.directory, &stage.interrupt)?;
    Ok(service)
}

/// The process that answers at `address`; `None` if nobody does.
fn who(address: SocketAddr) -> Option<u32> {
    let mut stream = TcpStream::connect_timeout(&address, ANSWER).ok()?;
    stream.set_read_timeout(Some(ANSWER)).ok()?;
    stream
        .write_all(b"GET /pid HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (_, body) = answer.split_once("\r\n\r\n")?;
    // If it comes in a chunk, that one's length is the smaller number.
    let lines = body.lines().filter_map(|line| line.trim().parse().ok());
    lines.max()
}
