//! Starts children: fork and exec, with the shared sockets, a mailbox, a scoreboard and a process group of
//! their own.

pub(crate) mod balance;
pub(crate) mod cgroup;
mod environment;
pub(crate) mod identity;
mod shim;
mod version;

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use command_fds::{CommandFdExt, FdMapping};
use kiuas_common::balance::VARIABLE as BALANCE;
use kiuas_common::notify::FOLLOW_PARENT;
use kiuas_common::scoreboard::{self, Scoreboard};
use kiuas_common::{Listener, Shutdown};
use rustix::process::Pid;

pub(crate) use shim::{CANNOT_EXECUTE, CANNOT_PREPARE};
pub use shim::{ChildError, become_child};
pub(crate) use version::Version;

use crate::event::Outbox;
use crate::handover;
use crate::mailbox::{Directory, Listening, Mailbox};
use crate::probe::{Probe, Target};
use crate::settings::{Inherit, PoolSettings, Ready};
use crate::sockets::Sockets;
use balance::Balance;
use cgroup::Groups;
use identity::Identity;
use shim::Plan;

/// Tells a child which seat it has, from 0 on. It stays the same when a child is replaced.
pub(crate) const SLOT_VARIABLE: &str = "KIUAS_POOL_SLOT";
/// Tells a child which pool it is of.
pub(crate) const NAME_VARIABLE: &str = "KIUAS_POOL_NAME";
const THREADS_VARIABLE: &str = "KIUAS__WEB__THREADS";
/// Sockets, scoreboard and program are handed on from this number on.
const FIRST_DESCRIPTOR: i32 = 3;

/// Everything that the start of a child needs.
#[derive(Debug)]
pub(crate) struct Launcher {
    name: String,
    settings: PoolSettings,
    identity: Identity,
    pub(crate) groups: Groups,
    pub(crate) directory: Directory,
    pub(crate) balance: Balance,
    pub(crate) versions: BTreeMap<u64, Version>,
    /// The pool's own program.
    own: PathBuf,
    outbox: Outbox,
    tasks: Shutdown,
    pub(crate) started: u64,
}

/// A child that was started.
#[derive(Debug)]
pub(crate) struct Launched {
    pub(crate) pid: Pid,
    pub(crate) listening: Listening,
    pub(crate) probe: Option<Probe>,
    pub(crate) scoreboard: Scoreboard,
    /// The scoreboard's descriptor, for whoever supervises the child after an upgrade.
    pub(crate) board: OwnedFd,
}

/// Why a child could not be started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LaunchError {
    /// Its environment files.
    #[error(transparent)]
    Environment(io::Error),
    /// Anything of the system's: processes, descriptors, memory.
    #[error("cannot {what}: {source}")]
    System {
        what: &'static str,
        source: io::Error,
    },
}

fn system(what: &'static str) -> impl FnOnce(io::Error) -> LaunchError {
    move |source| LaunchError::System { what, source }
}

impl Launcher {
    pub(crate) fn new(
        name: &str,
        settings: &PoolSettings,
        identity: Identity,
        (directory, groups, balance): (Directory, Groups, Balance),
        outbox: Outbox,
        tasks: Shutdown,
    ) -> Self {
        Self {
            name: name.to_owned(),
            settings: settings.clone(),
            identity,
            groups,
            directory,
            balance,
            versions: BTreeMap::new(),
            // Not its path: there a newer program may lie by now.
            own: PathBuf::from("/proc/self/exe"),
            outbox,
            tasks,
            started: 0,
        }
    }

    /// The program and arguments of `generation`; nothing if it is unknown.
    pub(crate) fn command(&self, generation: u64) -> &[String] {
        let version = self.versions.get(&generation);
        version.map_or(&[], |version| &version.command)
    }

    /// Pins the program of `generation`: `command`, or what generation `from` runs.
    ///
    /// # Errors
    /// There is no such program, or it may not be executed.
    pub(crate) fn begin(
        &mut self,
        generation: u64,
        from: u64,
        command: Option<Vec<String>>,
    ) -> io::Result<()> {
        let command = command.unwrap_or_else(|| self.command(from).to_vec());
        self.versions.insert(generation, Version::pin(command)?);
        Ok(())
    }

    /// Lets go of versions that nobody will start again.
    pub(crate) fn keep_only(&mut self, generations: &[u64]) {
        self.versions
            .retain(|generation, _| generations.contains(generation));
    }

    /// Starts a child. Must be called on the main thread: the kernel ends a child that follows its
    /// parent when the thread that started it ends.
    pub(crate) fn launch(
        &mut self,
        seat: usize,
        generation: u64,
        sockets: &Sockets,
    ) -> Result<Launched, LaunchError> {
        let version = self
            .versions
            .get(&generation)
            .ok_or_else(|| system("start a child")(io::Error::other("its version is not known")))?;
        self.started += 1;
        let number = self.started;
        let mailbox = Mailbox::open(&self.directory, number, self.identity.uid)
            .map_err(system("open a child's mailbox"))?;
        let (scoreboard, board) =
            Scoreboard::create().map_err(system("make a child's scoreboard"))?;
        let mut descriptors = match self.settings.inherit {
            Inherit::None => Vec::new(),
            _ => sockets.copies().map_err(system("copy the sockets"))?,
        };
        let private = self.private_listener(number)?;
        let mut names = sockets.names();
        if let Some((_, listener)) = &private {
            let copy = listener.as_fd().try_clone_to_owned();
            descriptors.push(copy.map_err(system("copy a socket"))?);
            names.push_str(":probe");
        }
        let announced = descriptors.len();
        let board_number = number_of(descriptors.len());
        descriptors.push(board.try_clone().map_err(system("copy a descriptor"))?);
        // Others accept as they please, and would only have to wonder what it is.
        let balanced = self.settings.inherit == Inherit::ListenFds && announced > 0;
        let balance_number = balanced.then(|| number_of(descriptors.len()));
        if balanced {
            let copy = self.balance.as_fd().try_clone_to_owned();
            descriptors.push(copy.map_err(system("copy a descriptor"))?);
        }
        let mut plan = self.plan(version, announced > 0);
        if let Some(file) = version.file() {
            plan.file = Some(number_of(descriptors.len()));
            let copy = file.try_clone_to_owned();
            descriptors.push(copy.map_err(system("copy a descriptor"))?);
        }
        let mut command = self.command_of(&plan, seat, mailbox.path())?;
        command.env(scoreboard::VARIABLE, board_number.to_string());
        match balance_number {
            Some(number) => command.env(BALANCE, number.to_string()),
            None => command.env_remove(BALANCE),
        };
        if self.settings.inherit == Inherit::ListenFds && announced > 0 {
            command
                .env("LISTEN_FDS", announced.to_string())
                .env("LISTEN_FDNAMES", names);
        }
        command
            .fd_mappings(mappings(descriptors))
            .map_err(|error| system("hand on descriptors")(io::Error::other(error)))?;
        // Not waited for here: every end is collected in one place, `reap`.
        let spawned = command.spawn().map_err(system("start a process"))?;
        let pid = i32::try_from(spawned.id())
            .ok()
            .and_then(Pid::from_raw)
            .ok_or_else(|| {
                system("start a process")(io::Error::other("its number is not usable"))
            })?;
        Ok(Launched {
            pid,
            listening: self.hear(mailbox, pid),
            probe: self.probe(pid, private.map(|(path, _)| path)),
            scoreboard,
            board,
        })
    }

    /// Hears what a child says.
    pub(crate) fn hear(&self, mailbox: Mailbox, pid: Pid) -> Listening {
        let tells_ready = self.settings.readiness() == Ready::Notify;
        mailbox.listen(pid, tells_ready, self.outbox.clone(), &self.tasks)
    }

    /// The asking of an adopted child that is not ready yet.
    pub(crate) fn probe_again(&self, pid: Pid, number: u64) -> Option<Probe> {
        self.probe(pid, Some(self.probe_path(number)))
    }

    fn plan(&self, version: &Version, has_sockets: bool) -> Plan {
        let settings = &self.settings;
        let mut arguments = version.command.clone();
        if let (Some(name), Some(first)) = (&settings.process_name, arguments.first_mut()) {
            first.clone_from(name);
        }
        Plan {
            program: version.path.clone(),
            file: None,
            arguments,
            announce: has_sockets && settings.inherit == Inherit::ListenFds,
            parent: rustix::process::getpid().as_raw_nonzero().get(),
            identity: self.identity.clone(),
            umask: settings.umask.map(|mode| mode.0),
            directory: settings.directory.clone(),
            rlimits: settings.rlimits,
            oom_score_adj: settings.oom_score_adj,
            groups: self.groups.doors(),
        }
    }

    fn command_of(&self, plan: &Plan, seat: usize, mailbox: &Path) -> Result<Command, LaunchError> {
        let plan = serde_json::to_string(plan)
            .map_err(|error| system("write a child's plan")(error.into()))?;
        let files = environment::read(&self.settings.environment_files)
            .map_err(LaunchError::Environment)?;
        let mut command = Command::new(&self.own);
        command
            .arg0("kiuas-pool")
            .arg("child")
            .arg(plan)
            .stdin(Stdio::null())
            // Ctrl-C on a terminal reaches the pool alone; it passes the end on in its own order.
            .process_group(0)
            .envs(self.identity.variables.iter().cloned())
            .envs(files)
            .envs(&self.settings.environment)
            .env("NOTIFY_SOCKET", mailbox)
            .env(FOLLOW_PARENT, std::process::id().to_string())
            .env(SLOT_VARIABLE, seat.to_string())
            .env(NAME_VARIABLE, &self.name);
        for name in ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"] {
            command.env_remove(name);
        }
        command.env_remove(handover::VARIABLE);
        if let Some(threads) = self.settings.threads {
            command.env(THREADS_VARIABLE, threads.to_string());
        }
        Ok(command)
    }

    /// For `ready = "http"`: a socket on which this child alone answers.
    fn private_listener(&self, number: u64) -> Result<Option<(PathBuf, Listener)>, LaunchError> {
        let settings = &self.settings;
        if settings.readiness() != Ready::Http || settings.inherit != Inherit::ListenFds {
            return Ok(None);
        }
        let path = self.probe_path(number);
        let listener = UnixListener::bind(&path)
            .and_then(|listener| listener.set_nonblocking(true).map(|()| listener))
            .map_err(system("open a child's private socket"))?;
        Ok(Some((path, Listener::Unix(listener))))
    }

    fn probe_path(&self, number: u64) -> PathBuf {
        self.directory.path().join(format!("{number}.probe"))
    }

    fn probe(&self, pid: Pid, private: Option<PathBuf>) -> Option<Probe> {
        if self.settings.readiness() != Ready::Http {
            return None;
        }
        let text = self.settings.ready_probe.as_deref()?;
        let target = match private {
            Some(socket) if self.settings.inherit == Inherit::ListenFds => Target::Private {
                socket,
                path: text.to_owned(),
            },
            _ => Target::Public(text.parse().ok()?),
        };
        Some(Probe::start(target, pid, self.outbox.clone(), &self.tasks))
    }
}

fn number_of(index: usize) -> i32 {
    i32::try_from(index).map_or(i32::MAX, |index| index + FIRST_DESCRIPTOR)
}

fn mappings(descriptors: Vec<OwnedFd>) -> Vec<FdMapping> {
    descriptors
        .into_iter()
        .zip(FIRST_DESCRIPTOR..)
        .map(|(parent_fd, child_fd)| FdMapping {
            parent_fd,
            child_fd,
        })
        .collect()
}
