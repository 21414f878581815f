//! `/proc/PID/statm`: resident memory, cheap enough to be read at every tick.

use std::fs::File;
use std::os::unix::fs::FileExt;

/// Seven numbers of at most 20 digits.
const LONGEST: usize = 192;

/// The file of one process, kept open: it can never come to mean another process, and reading it again
/// is one system call.
#[derive(Debug)]
pub(crate) struct Statm(File);

impl Statm {
    /// Of process `pid`.
    pub(crate) fn open(pid: i32) -> Option<Self> {
        File::open(format!("/proc/{pid}/statm")).ok().map(Self)
    }

    /// Resident memory, bytes; `None` when the process has ended.
    pub(crate) fn resident(&self) -> Option<u64> {
        let mut buffer = [0; LONGEST];
        let length = self.0.read_at(&mut buffer, 0).ok()?;
        parse(std::str::from_utf8(buffer.get(..length)?).ok()?)
    }
}

pub(super) fn parse(text: &str) -> Option<u64> {
    let pages: u64 = text.split_ascii_whitespace().nth(1)?.parse().ok()?;
    pages.checked_mul(u64::try_from(rustix::param::page_size()).ok()?)
}
