//! A new process takes this one's place: it inherits the listening sockets, says when it serves, and only
//! then this one drains. If it does not get there, nothing has happened.

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use command_fds::CommandFdExt;
use command_fds::{FdMapping, FdMappingCollision};
use kiuas_common::notify;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::process::{Child, Command};

use super::Running;
use super::Secrets;
use super::handover::{FORM, Handover, MOST, READY, VARIABLE};
use crate::cache::Cache;
use crate::listeners;

/// For `NEW check`.
const CHECK_PATIENCE: Duration = Duration::from_secs(30);
/// From the start of the new process until it serves.
const START_PATIENCE: Duration = Duration::from_secs(60);
const FIRST_DESCRIPTOR: i32 = 3;

/// How this process was started, and the next one will be.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// The program's file; what is there at the time of an upgrade is the new version.
    pub program: PathBuf,
    /// What follows the subcommand.
    pub arguments: Vec<OsString>,
}

impl Invocation {
    /// This process's own.
    ///
    /// # Errors
    /// The system does not know the program's file.
    pub fn of_this_process() -> io::Result<Self> {
        Ok(Self {
            program: std::env::current_exe()?,
            arguments: std::env::args_os().skip(2).collect(),
        })
    }
}

/// Why there is no new process.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UpgradeError {
    /// Whoever started this process must replace it.
    #[error("{0}")]
    Supervised(&'static str),
    /// It cannot be run.
    #[error("cannot run `{}`", program.display())]
    Run {
        /// The new program.
        program: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// It does not accept the settings.
    #[error("the new program does not accept the settings:\n{0}")]
    Settings(String),
    /// It did not get there.
    #[error("the new process {0}; this one goes on")]
    Failed(String),
    /// It did not get there in time.
    #[error("the new process was not ready within {0:?}; this one goes on")]
    Late(Duration),
    /// The sockets cannot be handed over.
    #[error("cannot hand over the listening sockets")]
    HandOver(#[source] io::Error),
}

/// What an upgrade did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upgraded {
    /// The new process.
    pub pid: u32,
    /// The one that drains now.
    pub old_pid: u32,
}

/// Ended when dropped before it serves.
struct Newborn(Option<Child>);

impl Drop for Newborn {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            // It may have ended by itself.
            drop(child.start_kill());
        }
    }
}

/// The cache's disk is the new process's; ours again when dropped.
struct WritesPaused(Option<Arc<Cache>>);

impl WritesPaused {
    fn new(cache: Arc<Cache>) -> Self {
        cache.suspend_writes(true);
        Self(Some(cache))
    }

    fn for_good(mut self) {
        self.0 = None;
    }
}

impl Drop for WritesPaused {
    fn drop(&mut self) {
        if let Some(cache) = &self.0 {
            cache.suspend_writes(false);
        }
    }
}

impl Running {
    /// Starts `program` (this one's own file if none) and hands everything over to it. On success the
    /// drain must follow.
    pub(super) async fn upgrade(
        &mut self,
        program: Option<PathBuf>,
    ) -> Result<Upgraded, UpgradeError> {
        supervised()?;
        let mut invocation = self.invocation.clone();
        if let Some(program) = program {
            invocation.program = program;
        }
        check(&invocation).await?;
        // Two processes must not write to one directory: each would know the half of it.
        let pause = WritesPaused::new(Arc::clone(&self.shared.cache));
        let (ours, theirs) = std::os::unix::net::UnixStream::pair()
            .and_then(|(ours, theirs)| {
                ours.set_nonblocking(true)?;
                Ok((UnixStream::from_std(ours)?, theirs))
            })
            .map_err(UpgradeError::HandOver)?;
        let sockets = listeners::hand_over(&self.fronts, &self.private, &self.settings)
            .map_err(UpgradeError::HandOver)?;
        let (listeners, descriptors) = sockets.into_iter().unzip();
        let mut newborn = Newborn(Some(start(&invocation, theirs.into(), descriptors)?));
        let tickets = self.secrets.as_ref().map(Secrets::tickets);
        let handover = Handover { listeners, tickets };
        tokio::time::timeout(START_PATIENCE, agree(ours, &handover))
            .await
            .map_err(|_| UpgradeError::Late(START_PATIENCE))??;
        let child = newborn.0.take();
        let pid = child.as_ref().and_then(Child::id).unwrap_or_default();
        self.leave_to(pid);
        pause.for_good();
        Ok(Upgraded {
            pid,
            old_pid: std::process::id(),
        })
    }

    /// The new process serves: what is not for visitors is its alone from now on.
    fn leave_to(&mut self, pid: u32) {
        notify::main_pid(pid);
        self.shared.handed_over.cancel();
        tracing::info!(upgrade.pid = pid, "process {pid} has taken over, draining");
    }
}

fn supervised() -> Result<(), UpgradeError> {
    if std::env::var_os(notify::FOLLOW_PARENT).is_some() {
        return Err(UpgradeError::Supervised(
            "this proxy belongs to a supervisor that follows its process: let that one restart it",
        ));
    }
    if std::process::id() == 1 {
        return Err(UpgradeError::Supervised(
            "this proxy is process 1 of its container, which ends with it: replace the container",
        ));
    }
    Ok(())
}

async fn check(invocation: &Invocation) -> Result<(), UpgradeError> {
    let output = Command::new(&invocation.program)
        .arg("check")
        .args(&invocation.arguments)
        .env_remove("LISTEN_FDS")
        .env_remove(VARIABLE)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let Output { status, stderr, .. } = tokio::time::timeout(CHECK_PATIENCE, output)
        .await
        .map_err(|_| UpgradeError::Late(CHECK_PATIENCE))?
        .map_err(|source| cannot_run(invocation, source))?;
    if status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&stderr);
    Err(UpgradeError::Settings(match said.trim() {
        "" => status.to_string(),
        said => said.to_owned(),
    }))
}

fn start(
    invocation: &Invocation,
    input: OwnedFd,
    descriptors: Vec<OwnedFd>,
) -> Result<Child, UpgradeError> {
    let mut command = Command::new(&invocation.program);
    command
        .arg("serve")
        .args(&invocation.arguments)
        .env(VARIABLE, FORM)
        .env("LISTEN_FDS", descriptors.len().to_string())
        .env_remove("LISTEN_FDNAMES")
        .env_remove("LISTEN_PID")
        .stdin(Stdio::from(input));
    let mappings = (FIRST_DESCRIPTOR..)
        .zip(descriptors)
        .map(|(child_fd, parent_fd)| FdMapping {
            parent_fd,
            child_fd,
        })
        .collect();
    command
        .fd_mappings(mappings)
        .map_err(|FdMappingCollision { .. }| io::Error::other("descriptors collide"))
        .map_err(UpgradeError::HandOver)?;
    command
        .spawn()
        .map_err(|source| cannot_run(invocation, source))
}

fn cannot_run(invocation: &Invocation, source: io::Error) -> UpgradeError {
    UpgradeError::Run {
        program: invocation.program.clone(),
        source,
    }
}

/// Tells the new process what it must know, and hears how it went.
async fn agree(mut stream: UnixStream, handover: &Handover) -> Result<(), UpgradeError> {
    let mut line =
        serde_json::to_string(handover).map_err(|error| UpgradeError::HandOver(error.into()))?;
    line.push('\n');
    // If it has ended meanwhile, nothing is read below.
    drop(stream.write_all(line.as_bytes()).await);
    let mut answer = String::new();
    drop(
        BufReader::new(stream.take(MOST))
            .read_line(&mut answer)
            .await,
    );
    match answer.trim() {
        READY => Ok(()),
        "" => Err(UpgradeError::Failed(
            "ended before it was ready, without a word (its log may tell)".to_owned(),
        )),
        other => Err(UpgradeError::Failed(other.to_owned())),
    }
}
