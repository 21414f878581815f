//! The pool replaces its own program in place: same process, same children, same sockets.
//!
//! ```text
//! NEW check --form 1 … ok? --> state into a memory file --> descriptors stay open --> execve(NEW)
//!      | no: nothing has happened          | no: nothing has happened      | no: nothing has happened
//! ```

use std::ffi::OsString;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use kiuas_common::kernel::descriptors;
use kiuas_common::listener::{self, Inherited};
use kiuas_common::notify;
use kiuas_common::scoreboard::Scoreboard;
use rustix::process::Pid;

use super::error::{PoolError, system};
use super::pool::{Common, Held, Parts, Pool, Stage};
use super::signals;
use crate::errand::Errands;
use crate::event::{Event, Outbox};
use crate::handover::{
    self, ChildState, FORM, Handover, Kept, PoolState, SocketState, VersionState,
};
use crate::launch::Version;
use crate::launch::balance::Balance;
use crate::launch::cgroup::Groups;
use crate::mailbox::{Directory, Mailbox};
use crate::roster::Roster;
use crate::settings::PoolSettings;
use crate::sockets::Sockets;

/// For `NEW check`.
const CHECK_PATIENCE: Duration = Duration::from_secs(30);

/// How this process was started, and the next program will be.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// The program's file; what is there at the time of an upgrade is the new version.
    pub program: PathBuf,
    /// What follows `run`.
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

    /// Asks the program whether it could go on; the answer comes as an event.
    pub(super) fn check(&self, errands: &Errands, outbox: &Outbox, tasks: &kiuas_common::Shutdown) {
        let mut command = Command::new(&self.program);
        command
            .args(["check", "--form", &FORM.to_string()])
            .args(&self.arguments)
            .env_remove("LISTEN_FDS")
            .env_remove("NOTIFY_SOCKET");
        let (errands, outbox) = (errands.clone(), outbox.clone());
        drop(tasks.spawn(async move {
            let result = errands.run_quietly(command, CHECK_PATIENCE).await;
            outbox.send(Event::Checked(result)).await;
        }));
    }

    /// Becomes the program. Comes back only if that fails, and then nothing has happened.
    pub(super) fn become_next(&self, pools: &[Pool]) -> io::Error {
        let mut kept = Kept::default();
        let now = Instant::now();
        let written = pools
            .iter()
            .map(|pool| pool.state(&mut kept, now))
            .collect::<io::Result<Vec<_>>>()
            .and_then(|pools| handover::write(&Handover { form: FORM, pools }, &mut kept));
        let number = match written {
            Ok(number) => number,
            Err(error) => return error,
        };
        if let Err(error) = signals::hold() {
            return error;
        }
        notify::reloading();
        let error = Command::new(&self.program)
            .arg("run")
            .args(&self.arguments)
            .env(handover::VARIABLE, number.to_string())
            .exec();
        notify::ready();
        match signals::release() {
            Ok(()) => error,
            Err(worse) => worse,
        }
    }
}

impl Pool {
    /// What the next program must know of this pool.
    fn state(&self, kept: &mut Kept, now: Instant) -> io::Result<PoolState> {
        let launcher = &self.launcher;
        let mut versions = Vec::new();
        for (generation, version) in &launcher.versions {
            versions.push(VersionState {
                generation: *generation,
                command: version.command.clone(),
                path: version.path.clone(),
                file: version.file().map(|file| kept.keep(file)).transpose()?,
            });
        }
        let mut sockets = Vec::new();
        for socket in self.sockets.each() {
            sockets.push(SocketState {
                name: socket.name.clone(),
                descriptor: kept.keep(socket.listener.as_fd())?,
            });
        }
        let mut children = Vec::new();
        for (pid, held) in &self.held {
            children.push(ChildState {
                pid: pid.as_raw_nonzero().get(),
                mailbox: held.listening.path().to_owned(),
                mailbox_descriptor: kept.keep(held.listening.as_fd())?,
                board_descriptor: kept.keep(held.board.as_fd())?,
                number: held.number,
            });
        }
        Ok(PoolState {
            name: self.name.clone(),
            settings: self.settings.clone(),
            roster: self.roster.state(now),
            versions,
            sockets,
            sockets_are_ours: self.sockets.are_ours(),
            made: self.sockets.made().to_vec(),
            directory: launcher.directory.path().to_owned(),
            started: launcher.started,
            groups: launcher.groups.paths().to_vec(),
            balance_descriptor: Some(kept.keep(launcher.balance.as_fd())?),
            children,
            announced: self.announced,
            served: self.served,
        })
    }

    /// The pool that the program before has supervised, under `settings`.
    pub(super) fn restore(
        state: PoolState,
        settings: &PoolSettings,
        common: Common,
    ) -> Result<Self, PoolError> {
        let taken = system("take over what the program before has handed on");
        let mut sockets = Vec::new();
        for socket in state.sockets {
            let listener = listener::take(socket.descriptor)
                .map_err(system("take over a listening socket"))?;
            let name = socket.name;
            sockets.push(Inherited { name, listener });
        }
        let roster = Roster::restore(settings.policy(), state.roster, Instant::now());
        let balance = state.balance_descriptor.map(descriptors::inherit);
        let balance = balance.transpose().and_then(Balance::restore);
        let parts = Parts {
            roster: roster.ok_or_else(|| taken(io::Error::other("a process has number 0")))?,
            sockets: Sockets::restore(sockets, state.sockets_are_ours, state.made),
            directory: Directory::restore(state.directory),
            groups: Groups::restore(state.groups),
            balance: balance.map_err(system("take over the balance of connections"))?,
            stage: Stage::Running,
        };
        let identity = Self::identity(&state.name, settings)?;
        let mut pool = Self::assemble(&state.name, settings, identity, parts, common)?;
        pool.launcher.started = state.started;
        pool.announced = state.announced;
        pool.served = state.served;
        for version in state.versions {
            let file = version.file.map(descriptors::inherit).transpose();
            let file = file.map_err(system("take over a version's program"))?;
            let restored = Version::restore(version.command, version.path, file);
            pool.launcher.versions.insert(version.generation, restored);
        }
        for child in state.children {
            pool.adopt(child).map_err(system("take over a child"))?;
        }
        Ok(pool)
    }

    fn adopt(&mut self, child: ChildState) -> io::Result<()> {
        let pid = Pid::from_raw(child.pid).ok_or_else(|| io::Error::other("it has number 0"))?;
        let mailbox = descriptors::inherit(child.mailbox_descriptor)?;
        let mailbox = Mailbox::restore(child.mailbox, mailbox)?;
        let board = descriptors::inherit(child.board_descriptor)?;
        let scoreboard = Scoreboard::open(&board)?;
        let starting = self
            .roster
            .children()
            .any(|one| one.pid == pid && one.is_starting());
        let probe = if starting {
            self.launcher.probe_again(pid, child.number)
        } else {
            None
        };
        let held = Held {
            listening: self.launcher.hear(mailbox, pid),
            _probe: probe,
            board,
            number: child.number,
        };
        self.held.insert(pid, held);
        self.monitor.started(pid, scoreboard);
        Ok(())
    }
}
