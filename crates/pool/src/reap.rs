//! Collects ended processes: children and, as process 1 or subreaper, everybody's orphans.

use std::io;

use rustix::io::Errno;
use rustix::process::{Pid, WaitOptions, WaitStatus, wait};

use crate::roster::Ending;

/// Asks the kernel to give orphaned descendants to this process. Process 1 gets them anyway.
pub(crate) fn adopt_orphans() -> io::Result<()> {
    if rustix::process::getpid() == Pid::INIT {
        return Ok(());
    }
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    Ok(())
}

/// Every process that has ended since the last call.
pub(crate) fn ended() -> Vec<(Pid, Ending)> {
    let mut all = Vec::new();
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some((pid, status))) => all.push((pid, ending(status))),
            Ok(None) | Err(Errno::CHILD) => return all,
            Err(Errno::INTR) => {}
            Err(error) => {
                tracing::error!(%error, "cannot collect ended processes");
                return all;
            }
        }
    }
}

fn ending(status: WaitStatus) -> Ending {
    // Without WUNTRACED and WCONTINUED the kernel reports nothing but these two.
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => Ending::Status(code),
        (None, signal) => Ending::Signal(signal.unwrap_or(0)),
    }
}
