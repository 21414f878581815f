//! What a pool lets others see of itself: its children, as they were after the last change.
//!
//! The supervisor publishes a [`PoolView`] in a `tokio::sync::watch` channel whenever it has done
//! something; the monitor, the control socket and the statistics read it and hold no lock of the
//! supervisor's.

use std::sync::Weak;
use std::time::Instant;

use kiuas_common::listener::Inherited;
use rustix::process::Pid;

use crate::roster::{Cause, Phase};

/// A pool.
#[derive(Debug, Clone, Default)]
pub(crate) struct PoolView {
    /// Its name.
    pub(crate) name: String,
    /// Program and arguments of the newest children.
    pub(crate) command: Vec<String>,
    /// The generation that every child should be of.
    pub(crate) generation: u64,
    /// How many children it keeps now.
    pub(crate) target: usize,
    /// The generation that a roll under way brings.
    pub(crate) rolling: Option<u64>,
    /// New work is taken by nobody.
    pub(crate) paused: bool,
    /// It keeps no child until somebody comes.
    pub(crate) asleep: bool,
    /// It ends.
    pub(crate) stopping: bool,
    /// Every living child, those that drain too, by seat and then by age.
    pub(crate) children: Vec<ChildView>,
    /// The listening sockets. Weak: nobody but the supervisor may keep a socket open that nobody accepts
    /// from.
    pub(crate) sockets: Vec<Weak<Inherited>>,
}

/// A child.
#[derive(Debug, Clone)]
pub(crate) struct ChildView {
    /// Its process.
    pub(crate) pid: Pid,
    /// Its seat, from 0.
    pub(crate) seat: usize,
    /// Its version's number.
    pub(crate) generation: u64,
    /// When it was started.
    pub(crate) started: Instant,
    /// Where it is in its life.
    pub(crate) phase: Phase,
    /// It takes no new work.
    pub(crate) paused: bool,
    /// Set once somebody asked for its end or for its successor.
    pub(crate) cause: Option<Cause>,
    /// When it was sent SIGKILL.
    pub(crate) killed: Option<Instant>,
    /// How many children were started in its seat before it.
    pub(crate) respawns: u64,
}
