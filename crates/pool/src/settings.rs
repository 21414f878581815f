//! Section `[pool.NAME]`: one pool.

mod check;
mod error;
mod parts;
mod value;

use std::collections::BTreeMap;
use std::path::PathBuf;

use kiuas_common::{Address, Bytes, Period, Settings};
use serde::{Deserialize, Serialize};

pub use error::PoolSettingsError;
pub use parts::{Cgroup, Hooks, Inherit, OnIdle, Ready, Rlimits, Scale, StopSignal};
pub use value::{FileMode, Limit, WaitFor};

use crate::roster::{BackoffPolicy, Policy};

/// One pool.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PoolSettings {
    // === what runs ===
    /// The program and its arguments.
    pub command: Vec<String>,
    /// How many children to keep ready; where the count is adaptive, how many at the start.
    pub processes: usize,
    /// Fewest children an adaptive pool keeps; default: `processes`.
    pub processes_min: Option<usize>,
    /// Most children an adaptive pool keeps; default: `processes`.
    pub processes_max: Option<usize>,
    /// When an adaptive pool grows and shrinks.
    pub scale: Scale,
    /// So long nothing ran and nobody came: `on_idle` follows. Only where children write a scoreboard.
    pub idle: Option<Period>,
    /// What a pool does that has been idle for `idle`.
    pub on_idle: OnIdle,
    /// Name of the children in lists of processes (argument 0); default: as `command` says.
    pub process_name: Option<String>,
    /// Serving threads of each child: handed on as `KIUAS__WEB__THREADS`. Default: the child decides.
    pub threads: Option<usize>,

    // === sockets ===
    /// Addresses to listen on for the children; ignored when sockets are inherited.
    pub listen: Vec<Address>,
    /// Length of each accept queue; the kernel caps it at `net.core.somaxconn`.
    pub backlog: u32,
    /// Mode of Unix sockets.
    pub socket_mode: FileMode,
    /// Owner of Unix sockets; default: who runs the pool.
    pub socket_user: Option<String>,
    /// Group of Unix sockets; default: the group of who runs the pool.
    pub socket_group: Option<String>,
    /// How a child gets the sockets.
    pub inherit: Inherit,

    // === start and end of a child ===
    /// How a child is known to be ready.
    pub ready: Ready,
    /// For `ready = "after"`, which it implies: a child that has lived so long counts as ready.
    pub ready_after: Option<Period>,
    /// For `ready = "http"`: the path to ask on a private socket of the child (`/healthz`), or, for a
    /// program that inherits nothing, an address and a path (`http://127.0.0.1:9000/healthz`).
    pub ready_probe: Option<String>,
    /// How long a child may take to become ready.
    pub start_timeout: Period,
    /// How long a child may take to finish what it has begun after the stop signal. Longer than its own
    /// limit.
    pub drain_timeout: Period,
    /// The signal that asks a child to finish.
    pub stop_signal: StopSignal,
    /// First pause before a child that died young is started again; it doubles each time.
    pub backoff_min: Period,
    /// Longest such pause.
    pub backoff_max: Period,

    // === rolls ===
    /// How many children a roll replaces at a time: so many live beside the full number.
    pub surge: usize,
    /// How long a new child must live after it said that it is ready, before its roll counts as done.
    pub probation: Period,
    /// Files that begin a roll when they change, as with `touch`.
    pub roll_on_change: Vec<PathBuf>,
    /// Memory that must stay available for a replacement to be started beside the child it replaces.
    pub memory_reserve: Bytes,

    // === limits of a child ===
    /// Replaced after so many requests or tasks.
    pub max_requests: Option<u64>,
    /// Replaced at this age.
    pub max_lifetime: Option<Period>,
    /// Replaced after so many panics of handlers or tasks.
    pub max_panics: Option<u64>,
    /// Not replaced for `max_requests`, `max_lifetime`, `max_panics`, `rss_soft`, `pss_soft`, `uss_soft`,
    /// `vsz_soft`, `files` or `cpu_time` before this age.
    pub min_lifetime: Period,
    /// `max_requests` and `max_lifetime` are up to so many percent larger, by chance: not all at once.
    pub jitter: u8,
    /// Replaced when it has more resident memory.
    pub rss_soft: Option<Bytes>,
    /// Replaced when its proportional set size is larger: resident memory, of what is shared its part.
    pub pss_soft: Option<Bytes>,
    /// Replaced when it has more memory of its own (unique set size).
    pub uss_soft: Option<Bytes>,
    /// Replaced when it has more address space.
    pub vsz_soft: Option<Bytes>,
    /// Killed when it has more resident memory.
    pub rss_hard: Option<Bytes>,
    /// Replaced when it has more open descriptors.
    pub files: Option<u64>,
    /// Replaced when it has used more processor time.
    pub cpu_time: Option<Period>,
    /// A child with a thread stuck beyond a hard deadline is killed; so long before that, once its
    /// replacement is ready, it may finish what runs on its other threads.
    pub hard_grace: Period,
    /// A child with a stuck thread is ended only while at least so many connections wait.
    pub stuck_backlog: u32,

    // === who a child is, and where ===
    /// User that children run as; default: who runs the pool.
    pub user: Option<String>,
    /// Group that children run as; default: the group of `user`.
    pub group: Option<String>,
    /// Supplementary groups; default: those of `user`.
    pub groups: Option<Vec<String>>,
    /// Permissions that files of children never get.
    pub umask: Option<FileMode>,
    /// Working directory of the children.
    pub directory: Option<PathBuf>,
    /// Variables for the children; they win over `environment_files`.
    pub environment: BTreeMap<String, String>,
    /// Files of `NAME=VALUE` lines, read anew at each start; a `-` before the path: it may be missing.
    pub environment_files: Vec<String>,
    /// Limits of `setrlimit(2)`.
    pub rlimits: Rlimits,
    /// Limits of a control group that is made for the pool, where the system lets it.
    pub cgroup: Cgroup,
    /// Whom the kernel kills when memory is short: -1000 (never) to 1000 (first).
    pub oom_score_adj: Option<i32>,

    // === around it ===
    /// Commands at points in the life of the pool and of its children.
    pub hooks: Hooks,
    /// What must be there before the first child is started: `tcp:HOST:PORT`, `unix:/path`, `file:/path`,
    /// `http://HOST:PORT/PATH`.
    pub wait_for: Vec<WaitFor>,
    /// How long it may take to be there.
    pub wait_timeout: Period,
    /// Where to answer `/healthz`, `/readyz` and `/metrics`.
    pub admin: Option<Address>,
    /// The Unix socket of `kiuas-pool ctl`: `unix:/path`, open to the owner alone.
    pub control: Option<Address>,
    /// Where the statistics are written to whoever connects, as JSON in the form of uWSGI's stats server, so
    /// that `uwsgitop` and the like run against the pool: loopback, or `unix:/path`.
    pub stats: Option<Address>,
    /// The statistics are an answer to an HTTP request instead, whatever it asks for.
    pub stats_http: bool,
    /// `stats` may be an address that other machines reach.
    pub stats_public: bool,
}

impl Default for PoolSettings {
    fn default() -> Self {
        Self {
            command: Vec::new(),
            processes: 2,
            processes_min: None,
            processes_max: None,
            scale: Scale::default(),
            idle: None,
            on_idle: OnIdle::default(),
            process_name: None,
            threads: None,
            listen: Vec::new(),
            backlog: 4096,
            // Owner and group: the proxy and the application share a group.
            socket_mode: FileMode(0o660),
            socket_user: None,
            socket_group: None,
            inherit: Inherit::default(),
            ready: Ready::default(),
            ready_after: None,
            ready_probe: None,
            start_timeout: Period::seconds(60),
            drain_timeout: Period::seconds(35),
            stop_signal: StopSignal::default(),
            backoff_min: Period::milliseconds(200),
            backoff_max: Period::seconds(30),
            surge: 1,
            probation: Period::seconds(2),
            roll_on_change: Vec::new(),
            memory_reserve: Bytes::mebibytes(64),
            max_requests: None,
            max_lifetime: None,
            max_panics: None,
            min_lifetime: Period::seconds(60),
            jitter: 20,
            rss_soft: None,
            pss_soft: None,
            uss_soft: None,
            vsz_soft: None,
            rss_hard: None,
            files: None,
            cpu_time: None,
            hard_grace: Period::seconds(10),
            stuck_backlog: 0,
            user: None,
            group: None,
            groups: None,
            umask: None,
            directory: None,
            environment: BTreeMap::new(),
            environment_files: Vec::new(),
            rlimits: Rlimits::default(),
            cgroup: Cgroup::default(),
            oom_score_adj: None,
            hooks: Hooks::default(),
            wait_for: Vec::new(),
            wait_timeout: Period::seconds(60),
            admin: None,
            control: None,
            stats: None,
            stats_http: false,
            stats_public: false,
        }
    }
}

impl PoolSettings {
    /// The settings of pool `name`; all defaults if there is no section for it.
    ///
    /// # Errors
    /// A value does not fit its key, or a key does not exist.
    pub fn load(settings: &Settings, name: &str) -> Result<Self, PoolSettingsError> {
        Ok(Self::all(settings)?.remove(name).unwrap_or_default())
    }

    /// Every pool of the settings, by name.
    ///
    /// # Errors
    /// A value does not fit its key, or a key does not exist.
    pub fn all(settings: &Settings) -> Result<BTreeMap<String, Self>, PoolSettingsError> {
        settings
            .section("pool")
            .map_err(|source| PoolSettingsError::Section {
                source: Box::new(source),
            })
    }

    /// Fewest and most children: the same number twice where the count is fixed.
    #[must_use]
    pub fn bounds(&self) -> (usize, usize) {
        (
            self.processes_min.unwrap_or(self.processes),
            self.processes_max.unwrap_or(self.processes),
        )
    }

    /// How a child is known to be ready.
    #[must_use]
    pub fn readiness(&self) -> Ready {
        match self.ready {
            Ready::Notify if self.ready_after.is_some() => Ready::After,
            ready => ready,
        }
    }

    pub(crate) fn policy(&self) -> Policy {
        Policy {
            processes: self.processes,
            start_timeout: self.start_timeout.duration(),
            drain_timeout: self.drain_timeout.duration(),
            ready_after: self
                .ready_after
                .filter(|_| self.readiness() == Ready::After)
                .map(Period::duration),
            probation: self.probation.duration(),
            surge: self.surge,
            backoff: BackoffPolicy {
                shortest: self.backoff_min.duration(),
                longest: self.backoff_max.duration(),
            },
        }
    }
}

#[cfg(test)]
mod tests;
