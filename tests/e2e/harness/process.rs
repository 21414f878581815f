//! One process of a stack: started with its log, its notification socket and its own process group.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};

use super::eventually::{PATIENCE, eventually};
use super::run::{MARKER, RunDirectory};
use super::tree;

/// Lines of a log that a failure shows.
const TAIL: usize = 40;

/// A running process. Dropping it kills its process group.
pub(crate) struct Process {
    name: String,
    child: Child,
    notify: UnixDatagram,
    log: PathBuf,
    output: PathBuf,
}

/// How to start a [`Process`].
pub(crate) struct Start {
    pub(crate) name: String,
    pub(crate) command: Command,
}

impl Start {
    /// A program without anything of our own environment that could leak into it.
    pub(crate) fn new(name: &str, program: impl AsRef<OsStr>) -> Self {
        let mut command = Command::new(program);
        for (variable, _) in std::env::vars_os() {
            let text = variable.to_string_lossy();
            if text.starts_with("KIUAS") || text.starts_with("LISTEN_") || text == "NOTIFY_SOCKET" {
                command.env_remove(variable);
            }
        }
        Self {
            name: name.to_owned(),
            command,
        }
    }

    pub(crate) fn args(mut self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.command.args(arguments);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Starts it; its log is `NAME.log` in the run directory, its standard output `NAME.out`.
    pub(crate) fn spawn(mut self, run: &RunDirectory) -> Process {
        let socket = run.join(&format!("{}.notify", self.name));
        // Left by an earlier process of the same name.
        drop(fs::remove_file(&socket));
        let notify = UnixDatagram::bind(&socket).expect("notification socket");
        notify.set_nonblocking(true).expect("notification socket");
        let log = run.join(&format!("{}.log", self.name));
        let output = run.join(&format!("{}.out", self.name));
        let child = self
            .command
            // What a killed process leaves in the temporary directory goes with the run.
            .env("TMPDIR", run.path())
            .env("NOTIFY_SOCKET", &socket)
            .env("KIUAS_FOLLOW_PARENT", std::process::id().to_string())
            .env(MARKER, run.mark())
            .stdin(Stdio::null())
            .stdout(File::create(&output).expect("output file"))
            .stderr(append(&log))
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| {
                panic!("cannot start {}: {error} ({:?})", self.name, self.command)
            });
        Process {
            name: self.name,
            child,
            notify,
            log,
            output,
        }
    }
}

fn append(path: &Path) -> File {
    File::options()
        .create(true)
        .append(true)
        .open(path)
        .expect("log file")
}

impl Process {
    pub(crate) fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).expect("pid")
    }

    /// Waits until it says that it may receive work.
    pub(crate) async fn ready(&mut self) {
        let what = format!(
            "`{}` to become ready, see {}",
            self.name,
            self.log.display()
        );
        eventually(&what, PATIENCE, async || {
            self.assert_running();
            self.notified("READY=1").then_some(())
        })
        .await;
    }

    fn notified(&self, wanted: &str) -> bool {
        let mut buffer = [0; 4096];
        while let Ok(length) = self.notify.recv(&mut buffer) {
            let message = String::from_utf8_lossy(&buffer[..length]).into_owned();
            if message.lines().any(|line| line == wanted) {
                return true;
            }
        }
        false
    }

    /// The address after `listening NAME` on its standard output.
    pub(crate) fn listening(&self, name: &str) -> Option<String> {
        let prefix = format!("listening {name} ");
        self.output()
            .lines()
            .find_map(|line| line.strip_prefix(&prefix).map(str::to_owned))
    }

    pub(crate) fn signal(&self, signal: Signal) {
        tree::signal(self.pid(), signal);
    }

    /// Ctrl-C: the terminal signals the whole foreground process group.
    pub(crate) fn interrupt(&self) {
        let group = Pid::from_child(&self.child);
        kill_process_group(group, Signal::INT).expect("SIGINT");
    }

    /// # Panics
    /// It has ended.
    pub(crate) fn assert_running(&mut self) {
        if let Some(status) = self.child.try_wait().expect("wait") {
            let (name, output, tail) = (&self.name, self.output(), self.tail());
            panic!("`{name}` ended ({status}):\n{output}{tail}");
        }
    }

    /// Waits for its end.
    pub(crate) async fn exit(&mut self, patience: Duration) -> ExitStatus {
        let what = format!("`{}` to end, see {}", self.name, self.log.display());
        eventually(&what, patience, async || {
            self.child.try_wait().expect("wait")
        })
        .await
    }

    /// Asks it to end and expects that it does so in order.
    pub(crate) async fn stop(&mut self) {
        self.signal(Signal::TERM);
        let status = self.exit(PATIENCE).await;
        assert!(
            status.success(),
            "`{}` ended with {status}:\n{}",
            self.name,
            self.tail()
        );
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Its log, which is then emptied for the next process of the same name.
    pub(crate) fn take_log(&self) -> String {
        let log = self.log();
        drop(fs::remove_file(&self.log));
        log
    }

    /// Its standard output so far.
    pub(crate) fn output(&self) -> String {
        fs::read_to_string(&self.output).unwrap_or_default()
    }

    fn tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(TAIL)..].join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(Some(_))) {
            return;
        }
        let group = Pid::from_child(&self.child);
        kill_process_group(group, Signal::KILL).ok();
        drop(self.child.wait());
    }
}
