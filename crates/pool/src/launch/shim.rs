//! What must happen between fork and the child's own program: `kiuas-pool child` is executed first, with
//! a [`Plan`], takes on limits, groups and user, and executes the program in its own place.
//!
//! It is a process of one thread that has run nothing else, so all of this is ordinary code; between fork
//! and exec only async-signal-safe calls would be allowed.

use std::convert::Infallible;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use kiuas_common::kernel::descriptors;
use rustix::fs::Mode;
use rustix::process::{Resource, Rlimit, Signal};
use rustix::thread::{Gid, Uid};
use serde::{Deserialize, Serialize};

use super::identity::Identity;
use crate::settings::Rlimits;

/// Exit status: the program could not be executed (as systemd's `EXIT_EXEC`).
pub(crate) const CANNOT_EXECUTE: u8 = 203;
/// Exit status: something before that failed.
pub(crate) const CANNOT_PREPARE: u8 = 200;

/// What a child is to become.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Plan {
    /// Absolute path of the program.
    pub(crate) program: PathBuf,
    /// The number of the descriptor that holds its file, if one does.
    pub(crate) file: Option<i32>,
    /// From argument 0 on.
    pub(crate) arguments: Vec<String>,
    /// Tell it its own number in `LISTEN_PID`.
    pub(crate) announce: bool,
    /// The pool, and the signal (SIGTERM) that the child gets when the pool is gone.
    pub(crate) parent: i32,
    pub(crate) identity: Identity,
    pub(crate) umask: Option<u32>,
    pub(crate) directory: Option<PathBuf>,
    pub(crate) rlimits: Rlimits,
    pub(crate) oom_score_adj: Option<i32>,
    /// Files `cgroup.procs` of the groups to join.
    pub(crate) groups: Vec<PathBuf>,
}

/// Why a child could not be made.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct ChildError {
    what: String,
    /// The exit status that says how far it came.
    pub status: u8,
    #[source]
    source: io::Error,
}

fn preparing(what: impl Into<String>) -> impl FnOnce(io::Error) -> ChildError {
    let what = what.into();
    move |source| ChildError {
        what,
        status: CANNOT_PREPARE,
        source,
    }
}

/// Becomes the program of the plan that `text` holds (JSON).
///
/// # Errors
/// What could not be done; this process is still the pool's program then.
pub fn become_child(text: &str) -> Result<Infallible, ChildError> {
    let plan: Plan = serde_json::from_str(text)
        .map_err(io::Error::from)
        .map_err(preparing(
            "cannot read the plan of a child: `kiuas-pool child` is for the pool alone",
        ))?;
    let file = plan
        .file
        .map(descriptors::inherit)
        .transpose()
        .map_err(preparing("cannot take over the program's file"))?;
    plan.prepare()?;
    let program = plan.executable(file.as_ref());
    let mut command = Command::new(&program);
    if let Some((name, arguments)) = plan.arguments.split_first() {
        command.arg0(name).args(arguments);
    }
    if plan.announce {
        command.env("LISTEN_PID", std::process::id().to_string());
    }
    let source = command.exec();
    Err(ChildError {
        what: format!("cannot execute `{}`", plan.program.display()),
        status: CANNOT_EXECUTE,
        source,
    })
}

impl Plan {
    /// The order matters: what needs privileges comes before they are dropped, and the parent-death signal
    /// after, because the kernel clears it with a change of user.
    fn prepare(&self) -> Result<(), ChildError> {
        for group in &self.groups {
            std::fs::write(group, "0").map_err(preparing(format!(
                "cannot join the control group `{}`",
                group.display()
            )))?;
        }
        if let Some(adjustment) = self.oom_score_adj {
            std::fs::write("/proc/self/oom_score_adj", adjustment.to_string()).map_err(
                preparing(format!("cannot set oom_score_adj to {adjustment}")),
            )?;
        }
        self.limit()?;
        if let Some(mask) = self.umask {
            rustix::process::umask(Mode::from_raw_mode(mask));
        }
        self.drop_privileges()?;
        if let Some(directory) = &self.directory {
            std::env::set_current_dir(directory).map_err(preparing(format!(
                "cannot enter the directory `{}`",
                directory.display()
            )))?;
        }
        self.follow_parent()
    }

    fn limit(&self) -> Result<(), ChildError> {
        let limits = &self.rlimits;
        let all = [
            ("nofile", Resource::Nofile, limits.nofile),
            ("nproc", Resource::Nproc, limits.nproc),
            ("core", Resource::Core, limits.core),
            ("fsize", Resource::Fsize, limits.fsize),
            ("data", Resource::Data, limits.data),
            ("stack", Resource::Stack, limits.stack),
            ("memlock", Resource::Memlock, limits.memlock),
            ("as", Resource::As, limits.address_space),
            ("cpu", Resource::Cpu, limits.cpu),
        ];
        for (name, resource, limit) in all {
            let Some(limit) = limit else { continue };
            let new = Rlimit {
                current: limit.0,
                maximum: limit.0,
            };
            rustix::process::setrlimit(resource, new)
                .map_err(io::Error::from)
                .map_err(preparing(format!("cannot set rlimits.{name} to {limit}")))?;
        }
        Ok(())
    }

    fn drop_privileges(&self) -> Result<(), ChildError> {
        let Identity {
            uid, gid, groups, ..
        } = &self.identity;
        if let Some(groups) = groups {
            let groups: Vec<Gid> = groups.iter().copied().map(Gid::from_raw).collect();
            rustix::thread::set_thread_groups(&groups)
                .map_err(io::Error::from)
                .map_err(preparing("cannot take on the supplementary groups"))?;
        }
        if let Some(gid) = gid {
            let group = Gid::from_raw(*gid);
            rustix::thread::set_thread_res_gid(group, group, group)
                .map_err(io::Error::from)
                .map_err(preparing(format!("cannot become group {gid}")))?;
        }
        if let Some(uid) = uid {
            let user = Uid::from_raw(*uid);
            rustix::thread::set_thread_res_uid(user, user, user)
                .map_err(io::Error::from)
                .map_err(preparing(format!("cannot become user {uid}")))?;
        }
        Ok(())
    }

    /// Programs that know nothing of the pool end with it too.
    fn follow_parent(&self) -> Result<(), ChildError> {
        rustix::process::set_parent_process_death_signal(Some(Signal::TERM))
            .map_err(io::Error::from)
            .map_err(preparing("cannot follow the pool"))?;
        let parent = rustix::process::getppid().map_or(0, |pid| pid.as_raw_nonzero().get());
        if parent == self.parent {
            return Ok(());
        }
        let gone = io::Error::other(format!("its parent is {parent} now"));
        Err(preparing("the pool is gone")(gone))
    }

    /// The path while it leads to the file that is held, else the file itself.
    fn executable(&self, file: Option<&OwnedFd>) -> PathBuf {
        match file {
            Some(file) if !leads_to(&self.program, file) => {
                PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()))
            }
            _ => self.program.clone(),
        }
    }
}

fn leads_to(path: &Path, file: &OwnedFd) -> bool {
    let held = rustix::fs::fstat(file);
    let found = std::fs::metadata(path);
    match (held, found) {
        (Ok(held), Ok(found)) => held.st_dev == found.dev() && held.st_ino == found.ino(),
        _ => false,
    }
}
