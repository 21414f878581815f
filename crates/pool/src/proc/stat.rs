//! `/proc/PID/stat`: state, processor time, size. The same form as `/proc/PID/task/TID/stat`.

use std::time::Duration;

/// A process or a thread, as the kernel accounts for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stat {
    /// `R` runs, `S` sleeps, `D` waits for a device, `T` is stopped, `Z` has ended.
    pub(crate) state: char,
    /// In user and kernel mode.
    pub(crate) cpu: Duration,
    /// Virtual memory, bytes.
    pub(crate) virtual_size: u64,
}

/// Field numbers of `proc_pid_stat(5)`, counted from the state (its field 3), which follows the name.
const UTIME: usize = 11;
const STIME: usize = 12;
const VSIZE: usize = 20;

impl Stat {
    /// Of process `pid`.
    pub(crate) fn of(pid: i32) -> Option<Self> {
        Self::parse(&super::read(format!("/proc/{pid}/stat"))?)
    }

    /// The name stands in parentheses and may hold any character, these too: the last `)` ends it.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (_, rest) = text.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
        let ticks = number(UTIME)?.checked_add(number(STIME)?)?;
        Some(Self {
            state: fields.first()?.chars().next()?,
            cpu: ticks_to_time(ticks),
            virtual_size: number(VSIZE)?,
        })
    }
}

fn ticks_to_time(ticks: u64) -> Duration {
    let per_second = rustix::param::clock_ticks_per_second().max(1);
    let (whole, rest) = (ticks / per_second, ticks % per_second);
    Duration::from_secs(whole) + Duration::from_millis(rest.saturating_mul(1000) / per_second)
}
