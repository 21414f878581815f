//! Which processes run, from `/proc`.

use std::fs;

use rustix::process::{Pid, Signal, kill_process};

use super::run::MARKER;

/// A living process (zombies have no command line and no environment left).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Running {
    pub(crate) pid: i32,
    pub(crate) command: String,
}

/// Every process whose environment carries `mark`, whoever its parent is now.
pub(crate) fn marked(mark: &str) -> Vec<Running> {
    running()
        .filter(|process| variable(process.pid, MARKER).as_deref() == Some(mark))
        .collect()
}

/// A variable that a process was started with.
pub(crate) fn variable(pid: i32, name: &str) -> Option<String> {
    let environment = fs::read(format!("/proc/{pid}/environ")).ok()?;
    environment.split(|byte| *byte == 0).find_map(|line| {
        let value = line.strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
        String::from_utf8(value.to_vec()).ok()
    })
}

/// The living children of `parent`.
pub(crate) fn children(parent: i32) -> Vec<Running> {
    running()
        .filter(|process| parent_of(process.pid) == Some(parent))
        .collect()
}

/// False once a process has ended, reaped or not.
pub(crate) fn is_running(pid: i32) -> bool {
    running().any(|process| process.pid == pid)
}

/// Sends a signal; a process that has gone meanwhile is no failure.
pub(crate) fn signal(pid: i32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(pid) {
        kill_process(pid, signal).ok();
    }
}

fn running() -> impl Iterator<Item = Running> {
    fs::read_dir("/proc")
        .expect("/proc")
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok())
        .filter_map(|pid| {
            let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
            let command = String::from_utf8_lossy(&line).replace('\0', " ");
            let command = command.trim().to_owned();
            (!command.is_empty()).then_some(Running { pid, command })
        })
}

fn parent_of(pid: i32) -> Option<i32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("PPid:"))?;
    line.trim().parse().ok()
}
