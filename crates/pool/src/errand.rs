//! Commands that are no children: hooks, and the check of a new program. Their ends are collected with
//! everybody's, in `reap`, and told to whoever waits.

use std::collections::HashMap;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::sync::oneshot;

use crate::roster::Ending;

/// What a failed check may say.
const LONGEST_MESSAGE: u64 = 16 * 1024;

/// The errands that run. Clones share one list.
#[derive(Debug, Clone, Default)]
pub(crate) struct Errands(Arc<Mutex<HashMap<Pid, oneshot::Sender<Ending>>>>);

impl Errands {
    /// Runs `command` for `timeout` at most; then its whole process group is killed. Its output goes
    /// where the pool's goes.
    ///
    /// # Errors
    /// It could not be run, did not return 0, or took too long.
    pub(crate) async fn run(&self, command: Command, timeout: Duration) -> Result<(), String> {
        self.finish(command, timeout).await
    }

    /// The same; what it writes to standard error becomes part of the error.
    ///
    /// # Errors
    /// It could not be run, did not return 0, or took too long.
    pub(crate) async fn run_quietly(
        &self,
        mut command: Command,
        timeout: Duration,
    ) -> Result<(), String> {
        // A file and not a pipe: nobody has to read it meanwhile, and it cannot fill up unnoticed.
        let log = rustix::fs::memfd_create("errand", rustix::fs::MemfdFlags::CLOEXEC)
            .map_err(|error| format!("cannot make room for its messages: {error}"))?;
        let copy = log
            .try_clone()
            .map_err(|error| format!("cannot make room for its messages: {error}"))?;
        command.stdout(Stdio::null()).stderr(Stdio::from(copy));
        self.finish(command, timeout).await.map_err(|error| {
            let mut said = Vec::new();
            let mut log = std::fs::File::from(log);
            let read = std::io::Seek::rewind(&mut log)
                .and_then(|()| log.take(LONGEST_MESSAGE).read_to_end(&mut said));
            match (read, String::from_utf8_lossy(&said).trim()) {
                (Ok(_), said) if !said.is_empty() => format!("{error}: {said}"),
                _ => error,
            }
        })
    }

    async fn finish(&self, mut command: Command, timeout: Duration) -> Result<(), String> {
        command.stdin(Stdio::null()).process_group(0);
        let program = command.get_program().to_string_lossy().into_owned();
        let (pid, ended) = self
            .start(&mut command)
            .map_err(|error| format!("cannot run `{program}`: {error}"))?;
        match tokio::time::timeout(timeout, ended).await {
            Ok(Ok(Ending::Status(0))) => Ok(()),
            Ok(Ok(ending)) => Err(format!("`{program}` ended with {ending}")),
            Ok(Err(_)) => Err(format!("nobody knows how `{program}` ended")),
            Err(_) => {
                // Not reaped yet, so the number means this group.
                kill_process_group(pid, Signal::KILL).ok();
                let time = crate::report::time(timeout);
                Err(format!(
                    "`{program}` took longer than {time} and was killed"
                ))
            }
        }
    }

    fn start(&self, command: &mut Command) -> std::io::Result<(Pid, oneshot::Receiver<Ending>)> {
        let (sender, ended) = oneshot::channel();
        // Nothing is reaped between these lines: all of it happens on one thread.
        let spawned = command.spawn()?;
        let pid = i32::try_from(spawned.id()).ok().and_then(Pid::from_raw);
        let pid = pid.ok_or_else(|| std::io::Error::other("its number is not usable"))?;
        self.0.lock().insert(pid, sender);
        Ok((pid, ended))
    }

    /// A process has ended. False if it was no errand.
    pub(crate) fn ended(&self, pid: Pid, ending: Ending) -> bool {
        match self.0.lock().remove(&pid) {
            Some(sender) => {
                // Whoever waited may have given up.
                sender.send(ending).ok();
                true
            }
            None => false,
        }
    }
}
