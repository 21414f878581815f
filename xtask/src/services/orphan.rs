//! Servers that an earlier xtask could not stop, and pid files that lie.
//!
//! Call these only while the checkout's lock is held: then nobody else may run the server.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal};

use crate::interrupt::Interrupt;

const PATIENCE: Duration = Duration::from_secs(30);

/// Stops the server that `pid_file` names if its command line contains `mark`; any other process has
/// only inherited the number, and the file is removed.
pub(crate) fn clear(
    pid_file: &Path,
    mark: &str,
    signal: Signal,
    interrupt: &Interrupt,
) -> Result<()> {
    let text = match fs::read_to_string(pid_file) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => {
            return Err(error).with_context(|| format!("cannot read {}", pid_file.display()));
        }
    };
    if let Some(pid) = first_number(&text).and_then(Pid::from_raw)
        && runs(pid, mark)
    {
        rustix::process::kill_process(pid, signal).ok();
        interrupt.wait(
            &format!("stopping the old server (process {pid})"),
            PATIENCE,
            || Ok(!runs(pid, mark)),
        )?;
    }
    match fs::remove_file(pid_file) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", pid_file.display()))
        }
        _ => Ok(()),
    }
}

/// The number on the first line.
pub(crate) fn first_number(text: &str) -> Option<i32> {
    text.lines().next()?.trim().parse().ok()
}

fn runs(pid: Pid, mark: &str) -> bool {
    fs::read(format!("/proc/{pid}/cmdline"))
        .is_ok_and(|line| String::from_utf8_lossy(&line).contains(mark))
}
