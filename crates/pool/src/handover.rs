//! What the program before tells the next one when the pool replaces its own program in place (an
//! upgrade): JSON in a memory file, with numbers of descriptors that stay open over execve(2).

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use kiuas_common::kernel::descriptors;
use rustix::fs::MemfdFlags;
use rustix::io::FdFlags;
use serde::{Deserialize, Serialize};

use crate::roster;
use crate::settings::PoolSettings;

/// Names the number of the descriptor that the next program reads.
pub(crate) const VARIABLE: &str = "KIUAS_POOL_HANDOVER";
/// The form of what it says. A program that does not read it does not pass `kiuas-pool check --form`.
/// Settings are part of it, so a new key is a new form.
pub const FORM: u32 = 3;
/// The oldest form that is read: what it does not say has a default.
pub const OLDEST_FORM: u32 = 2;
/// More than a thousand children say.
const LARGEST: u64 = 8 << 20;

/// All pools of a process.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Handover {
    pub(crate) form: u32,
    pub(crate) pools: Vec<PoolState>,
}

/// One pool.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PoolState {
    pub(crate) name: String,
    /// For a pool that the next program's settings do not have any more.
    pub(crate) settings: PoolSettings,
    pub(crate) roster: roster::State,
    pub(crate) versions: Vec<VersionState>,
    pub(crate) sockets: Vec<SocketState>,
    pub(crate) sockets_are_ours: bool,
    pub(crate) made: Vec<PathBuf>,
    pub(crate) directory: PathBuf,
    pub(crate) started: u64,
    pub(crate) groups: Vec<PathBuf>,
    /// Older programs have none.
    #[serde(default)]
    pub(crate) balance_descriptor: Option<i32>,
    pub(crate) children: Vec<ChildState>,
    pub(crate) announced: bool,
    pub(crate) served: bool,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct VersionState {
    pub(crate) generation: u64,
    pub(crate) command: Vec<String>,
    pub(crate) path: PathBuf,
    pub(crate) file: Option<i32>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SocketState {
    pub(crate) name: String,
    pub(crate) descriptor: i32,
}

/// What is held for a child.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ChildState {
    pub(crate) pid: i32,
    pub(crate) mailbox: PathBuf,
    pub(crate) mailbox_descriptor: i32,
    pub(crate) board_descriptor: i32,
    /// The number of its start.
    pub(crate) number: u64,
}

/// Descriptors that stay open over execve(2). Dropped when there is no execve after all: then they are
/// closed by it again.
#[derive(Debug, Default)]
pub(crate) struct Kept(Vec<OwnedFd>);

impl Kept {
    /// The number by which the next program finds `descriptor`: that of a copy, so that giving up is
    /// simple.
    pub(crate) fn keep(&mut self, descriptor: BorrowedFd<'_>) -> io::Result<i32> {
        let copy = descriptor.try_clone_to_owned()?;
        rustix::io::fcntl_setfd(&copy, FdFlags::empty())?;
        let number = copy.as_raw_fd();
        self.0.push(copy);
        Ok(number)
    }
}

/// Writes `handover` down and returns the number of the descriptor to read it from.
pub(crate) fn write(handover: &Handover, kept: &mut Kept) -> io::Result<i32> {
    let memory = rustix::fs::memfd_create("kiuas-pool-handover", MemfdFlags::CLOEXEC)?;
    let mut file = File::from(memory);
    let text = serde_json::to_vec(handover)?;
    file.write_all(&text)?;
    file.rewind()?;
    kept.keep(file.as_fd())
}

/// What the program before says; `None` if there was none.
///
/// # Errors
/// It says something that cannot be read.
pub(crate) fn read() -> io::Result<Option<Handover>> {
    let Ok(number) = std::env::var(VARIABLE) else {
        return Ok(None);
    };
    let number = number.parse().map_err(io::Error::other)?;
    let file = File::from(descriptors::inherit(number)?);
    let mut text = Vec::new();
    file.take(LARGEST).read_to_end(&mut text)?;
    let handover: Handover = serde_json::from_slice(&text)?;
    if !(OLDEST_FORM..=FORM).contains(&handover.form) {
        let form = handover.form;
        let text = format!("it has form {form} and not {OLDEST_FORM} to {FORM}");
        return Err(io::Error::other(text));
    }
    Ok(Some(handover))
}
