//! A Docker daemon: the one that answers already, or a private one for the time of the test.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use kiuas_common::testing::skip;
use rustix::process::{Pid, Signal, kill_process};

use crate::harness::eventually::PATIENCE;
use crate::harness::ground::workspace;
use crate::harness::run::{MARKER, RunDirectory, say};

/// It stops containers first.
const LONGEST_END: Duration = Duration::from_secs(60);

/// A daemon that answers.
pub(crate) struct Daemon {
    /// `DOCKER_HOST` of the private one.
    host: Option<String>,
    process: Option<Child>,
}

impl Daemon {
    /// None, loudly, where no daemon can run.
    pub(crate) async fn find_or_start(run: &RunDirectory) -> Option<Self> {
        let found = Self {
            host: None,
            process: None,
        };
        if found.answers() {
            return Some(found);
        }
        let started = match start(run) {
            Ok(process) => Self {
                host: Some(host(run)),
                process: Some(process),
            },
            Err(problem) => {
                skip(&format!("containers: {problem}"));
                return None;
            }
        };
        started.wait(&run.join("dockerd.log")).await
    }

    /// `command` with the way to this daemon.
    pub(crate) fn client(&self, mut command: Command) -> Command {
        if let Some(host) = &self.host {
            command.env("DOCKER_HOST", host);
        }
        command
    }

    fn answers(&self) -> bool {
        let mut version = self.client(Command::new("docker"));
        version.args(["version", "--format", "{{.Server.Version}}"]);
        version.output().is_ok_and(|output| output.status.success())
    }

    async fn wait(mut self, log: &Path) -> Option<Self> {
        let begin = Instant::now();
        while !self.answers() {
            let ended = self
                .process
                .as_mut()
                .and_then(|process| process.try_wait().ok());
            if ended.flatten().is_some() || begin.elapsed() > PATIENCE {
                let log = fs::read_to_string(log).unwrap_or_default();
                let reason = log.lines().last().unwrap_or("it says nothing");
                skip(&format!(
                    "containers: no Docker daemon can run here: {reason}"
                ));
                return None;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Some(self)
    }
}

fn host(run: &RunDirectory) -> String {
    format!("unix://{}", run.join("docker.sock").display())
}

/// Images and the build's layers stay in the checkout, so that the next run is quick; sockets and
/// everything else go with the test.
fn start(run: &RunDirectory) -> Result<Child, String> {
    if !rustix::process::geteuid().is_root() {
        return Err("no Docker daemon answers, and only root can start one".to_owned());
    }
    let data = workspace().join(".kiuas/docker/data");
    fs::create_dir_all(&data).map_err(|error| format!("{}: {error}", data.display()))?;
    let log = File::create(run.join("dockerd.log")).expect("log");
    say("starting a private Docker daemon");
    // It ends with this thread, even when the test is killed.
    Command::new("setpriv")
        .args(["--pdeathsig", "TERM", "dockerd", "--log-level", "warn"])
        .args([option("--data-root", &data)])
        .args([option("--exec-root", &run.join("docker"))])
        .args([option("--pidfile", &run.join("docker.pid"))])
        .args(["--host", &host(run)])
        .env(MARKER, run.mark())
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("log"))
        .stderr(log)
        .process_group(0)
        .spawn()
        .map_err(|error| format!("dockerd cannot be started: {error}"))
}

fn option(name: &str, path: &Path) -> PathBuf {
    PathBuf::from(format!("{name}={}", path.display()))
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let Some(process) = &mut self.process else {
            return;
        };
        let pid = i32::try_from(process.id()).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid {
            kill_process(pid, Signal::TERM).ok();
        }
        let begin = Instant::now();
        while matches!(process.try_wait(), Ok(None)) {
            if begin.elapsed() > LONGEST_END {
                say("the Docker daemon does not end, killing it");
                drop(process.kill());
                drop(process.wait());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}
