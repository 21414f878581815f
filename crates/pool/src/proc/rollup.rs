//! `/proc/PID/smaps_rollup`: memory with what is shared counted in parts. It walks every mapping of the
//! process, so it is read seldom.

use serde::Serialize;

/// Memory of a process, bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Rollup {
    /// Proportional set size: private memory, and of shared memory this process's part.
    pub(crate) pss: u64,
    /// Unique set size: what would be free if the process ended.
    pub(crate) uss: u64,
    /// Swapped out.
    pub(crate) swap: u64,
}

impl Rollup {
    /// Of process `pid`.
    pub(crate) fn of(pid: i32) -> Option<Self> {
        Self::parse(&super::read(format!("/proc/{pid}/smaps_rollup"))?)
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        let value = |name| super::kilobytes(text, name);
        Some(Self {
            pss: value("Pss")?,
            uss: value("Private_Clean")?.checked_add(value("Private_Dirty")?)?,
            swap: value("Swap").unwrap_or(0),
        })
    }
}
