//! What a thread does in the kernel: `/proc/PID/task/TID/{stat,wchan,syscall}`.

use std::time::Duration;

use serde::Serialize;

use super::stat::Stat;

/// Names of functions in the kernel are shorter.
const LONGEST_NAME: usize = 64;

/// A thread, seen from the kernel. What it may not tell us is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct ThreadState {
    /// `R` runs, `S` sleeps, `D` waits for a device, `T` is stopped.
    pub(crate) state: Option<char>,
    /// Processor time so far.
    pub(crate) cpu: Duration,
    /// The function of the kernel that it waits in.
    pub(crate) wchan: Option<String>,
    /// Number of the system call that it is in; `None` while it runs its own code.
    pub(crate) syscall: Option<u32>,
}

impl ThreadState {
    /// Of thread `tid` in process `pid`.
    pub(crate) fn of(pid: i32, tid: i32) -> Self {
        let file = |name: &str| super::read(format!("/proc/{pid}/task/{tid}/{name}"));
        let stat = file("stat").as_deref().and_then(Stat::parse);
        Self {
            state: stat.map(|stat| stat.state),
            cpu: stat.map_or(Duration::ZERO, |stat| stat.cpu),
            wchan: file("wchan").as_deref().and_then(parse_wchan),
            syscall: file("syscall").as_deref().and_then(parse_syscall),
        }
    }

    /// `S in futex_do_wait, futex`, for people.
    pub(crate) fn in_words(&self) -> String {
        let mut text = String::from(match self.state {
            Some('R') => "running",
            Some('S') => "sleeping",
            Some('D') => "waiting for a device",
            Some('T' | 't') => "stopped",
            Some('Z' | 'X') => "ended",
            _ => "unknown",
        });
        if let Some(wchan) = &self.wchan {
            text.push_str(&format!(" in {wchan}"));
        }
        if let Some(number) = self.syscall {
            match syscall_name(number) {
                Some(name) => text.push_str(&format!(", system call {name}")),
                None => text.push_str(&format!(", system call {number}")),
            }
        }
        text
    }
}

/// `0` stands for "in none", and for "you may not know".
pub(super) fn parse_wchan(text: &str) -> Option<String> {
    let text = text.trim();
    let plausible = text.len() <= LONGEST_NAME
        && text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_graphic());
    plausible.then(|| text.to_owned())
}

/// `230 0x0 …`, or `running`, or `-1 …` (blocked, but in no system call).
pub(super) fn parse_syscall(text: &str) -> Option<u32> {
    text.split_ascii_whitespace().next()?.parse().ok()
}

/// The system calls in which applications get stuck.
#[cfg(target_arch = "x86_64")]
pub(crate) fn syscall_name(number: u32) -> Option<&'static str> {
    Some(match number {
        0 => "read",
        1 => "write",
        7 => "poll",
        23 => "select",
        35 => "nanosleep",
        42 => "connect",
        43 => "accept",
        44 => "sendto",
        45 => "recvfrom",
        46 => "sendmsg",
        47 => "recvmsg",
        61 => "wait4",
        73 => "flock",
        74 => "fsync",
        75 => "fdatasync",
        202 => "futex",
        230 => "clock_nanosleep",
        232 => "epoll_wait",
        247 => "waitid",
        257 => "openat",
        270 => "pselect6",
        271 => "ppoll",
        281 => "epoll_pwait",
        288 => "accept4",
        _ => return None,
    })
}

/// The generic table, which aarch64 and riscv64 share.
#[cfg(not(target_arch = "x86_64"))]
pub(crate) fn syscall_name(number: u32) -> Option<&'static str> {
    Some(match number {
        22 => "epoll_pwait",
        32 => "flock",
        56 => "openat",
        63 => "read",
        64 => "write",
        72 => "pselect6",
        73 => "ppoll",
        82 => "fsync",
        83 => "fdatasync",
        95 => "waitid",
        98 => "futex",
        101 => "nanosleep",
        115 => "clock_nanosleep",
        202 => "accept",
        203 => "connect",
        206 => "sendto",
        207 => "recvfrom",
        211 => "sendmsg",
        212 => "recvmsg",
        242 => "accept4",
        260 => "wait4",
        _ => return None,
    })
}
