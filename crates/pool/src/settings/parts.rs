//! The tables and choices inside a pool's section.

use std::path::PathBuf;

use kiuas_common::{Bytes, Period};
use rustix::process::Signal;
use serde::{Deserialize, Serialize};

use super::Limit;

/// Table `scale`: when an adaptive pool grows and shrinks. Its signals are the busy share of the children's
/// event loops and the connections that wait to be accepted; processor time is none (a saturated child on a
/// busy machine gets little of it).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Scale {
    /// It grows while the loops are busy for more percent of the time.
    pub busy_above: u8,
    /// It shrinks while they would stay below this percentage with one child less.
    pub busy_below: u8,
    /// It grows while more connections wait to be accepted.
    pub backlog_above: u32,
    /// So long it must have been too busy before a child is added.
    pub up_after: Period,
    /// So long it must have been idle enough before a child is removed.
    pub down_after: Period,
}

impl Default for Scale {
    fn default() -> Self {
        Self {
            busy_above: 70,
            busy_below: 40,
            backlog_above: 16,
            up_after: Period::seconds(1),
            down_after: Period::seconds(60),
        }
    }
}

/// How a child gets the sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Inherit {
    /// Descriptors 3, 4, … announced by `LISTEN_FDS`, `LISTEN_FDNAMES` and `LISTEN_PID` (`sd_listen_fds(3)`):
    /// Kiuas, gunicorn, systemd's services.
    #[default]
    ListenFds,
    /// Descriptors 3, 4, … without a word: `uvicorn --fd 3`, node's `listen({ fd: 3 })`.
    BareFd,
    /// It gets none.
    None,
}

/// What a pool does that has been idle for `idle`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnIdle {
    /// It keeps its sockets and no child until the next connection comes.
    #[default]
    Sleep,
    /// It ends: for a service that systemd starts when somebody connects.
    Exit,
}

/// How a child is known to be ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ready {
    /// It says `READY=1` (`sd_notify(3)`).
    #[default]
    Notify,
    /// It answers an HTTP request with a status below 400.
    Http,
    /// It has lived for `ready_after`.
    After,
}

/// The signal that asks a child to finish.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum StopSignal {
    /// What most programs expect.
    #[default]
    #[serde(rename = "SIGTERM")]
    Term,
    /// Ctrl-C's.
    #[serde(rename = "SIGINT")]
    Int,
    /// A graceful end for nginx and others.
    #[serde(rename = "SIGQUIT")]
    Quit,
    /// For programs that drain on it.
    #[serde(rename = "SIGHUP")]
    Hup,
    /// For programs that drain on it.
    #[serde(rename = "SIGUSR1")]
    Usr1,
    /// For programs that drain on it.
    #[serde(rename = "SIGUSR2")]
    Usr2,
    /// A graceful end for Apache and others.
    #[serde(rename = "SIGWINCH")]
    Winch,
}

impl StopSignal {
    pub(crate) fn signal(self) -> Signal {
        match self {
            Self::Term => Signal::TERM,
            Self::Int => Signal::INT,
            Self::Quit => Signal::QUIT,
            Self::Hup => Signal::HUP,
            Self::Usr1 => Signal::USR1,
            Self::Usr2 => Signal::USR2,
            Self::Winch => Signal::WINCH,
        }
    }
}

/// Table `rlimits`: limits of `setrlimit(2)`, soft and hard alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rlimits {
    /// `RLIMIT_NOFILE`: open descriptors.
    pub nofile: Option<Limit>,
    /// `RLIMIT_NPROC`: processes and threads of the user.
    pub nproc: Option<Limit>,
    /// `RLIMIT_CORE`: bytes of a core file.
    pub core: Option<Limit>,
    /// `RLIMIT_FSIZE`: bytes of a file.
    pub fsize: Option<Limit>,
    /// `RLIMIT_DATA`: bytes of data segment.
    pub data: Option<Limit>,
    /// `RLIMIT_STACK`: bytes of stack.
    pub stack: Option<Limit>,
    /// `RLIMIT_MEMLOCK`: bytes of locked memory.
    pub memlock: Option<Limit>,
    /// `RLIMIT_AS`: bytes of address space. Stacks and mappings count, so `rss_hard` is the better limit.
    #[serde(rename = "as")]
    pub address_space: Option<Limit>,
    /// `RLIMIT_CPU`: seconds of processor time, after which the kernel sends SIGKILL.
    pub cpu: Option<Limit>,
}

/// Table `cgroup`: limits of all children of a pool together. Version 2 and version 1 are understood; where
/// the system lets the pool make no group, a warning says so.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Cgroup {
    /// The group below which the pool's group is made, such as `/kiuas`; default: the pool's own.
    pub parent: Option<PathBuf>,
    /// Most memory (`memory.max`).
    pub memory: Option<Bytes>,
    /// Most processor time in percent of one core: 150 is one and a half (`cpu.max`).
    pub cpu: Option<u32>,
    /// Most processes and threads (`pids.max`).
    pub pids: Option<u64>,
}

impl Cgroup {
    /// True if it limits anything.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        self.memory.is_some() || self.cpu.is_some() || self.pids.is_some()
    }
}

/// Table `hooks`: commands (program and arguments) at points of a life. They run as the user of the pool
/// with `KIUAS_POOL_NAME`, and, where a child is concerned, `KIUAS_POOL_PID` and `KIUAS_POOL_SLOT`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Hooks {
    /// Before the first child is started. If it fails, the pool does not start.
    pub before_start: Vec<String>,
    /// When every child is ready for the first time.
    pub ready: Vec<String>,
    /// When a child is asked to finish.
    pub drain: Vec<String>,
    /// When the last child is gone.
    pub stopped: Vec<String>,
    /// When a child ended that should not have, a roll was given up, or an accept queue is nearly full:
    /// `KIUAS_POOL_EVENT` says what. At most once in three seconds.
    pub alarm: Vec<String>,
    /// How long each may take; then it is killed.
    pub timeout: Period,
}

impl Default for Hooks {
    fn default() -> Self {
        Self {
            before_start: Vec::new(),
            ready: Vec::new(),
            drain: Vec::new(),
            stopped: Vec::new(),
            alarm: Vec::new(),
            timeout: Period::seconds(30),
        }
    }
}
