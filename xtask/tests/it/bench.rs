//! A place to run xtask in: data of its own, stand-ins for the programs.

use std::fs::{self, File, Permissions};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};
use tempfile::TempDir;

/// PostgreSQL makes its data first.
const PATIENCE: Duration = Duration::from_secs(60);

/// One place. Two of them stand for two checkouts.
pub(crate) struct Bench {
    directory: TempDir,
}

/// A run of xtask that goes on.
pub(crate) struct Run {
    child: Child,
    log: PathBuf,
}

/// A run of xtask that has ended.
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) log: String,
}

impl Bench {
    /// A place that every account may enter.
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
        fs::create_dir(directory.path().join("bin")).unwrap();
        let this = Self { directory };
        for program in ["kiuas-pool", "kiuas-proxy", "site"] {
            this.program(program, "");
        }
        this
    }

    /// A place that only its owner may enter, as a checkout in a home directory is.
    pub(crate) fn private() -> Self {
        let this = Self::new();
        fs::set_permissions(this.path(), Permissions::from_mode(0o700)).unwrap();
        this
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Where xtask keeps what it makes.
    pub(crate) fn state(&self) -> PathBuf {
        self.path().join("state")
    }

    /// Replaces a program by a shell script. Its first argument is the program's command.
    pub(crate) fn program(&self, name: &str, script: &str) {
        let path = self.path().join("bin").join(name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
    }

    /// `cargo xtask ARGUMENTS`.
    pub(crate) fn xtask(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Run {
        static RUNS: AtomicU32 = AtomicU32::new(0);
        let number = RUNS.fetch_add(1, Ordering::Relaxed);
        let log = self.path().join(format!("log-{number}"));
        let file = File::create(&log).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_xtask"))
            .args(arguments)
            .env("KIUAS_STATE", self.state())
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .spawn()
            .unwrap();
        Run { child, log }
    }

    /// `cargo xtask dev` with the stand-ins, on free ports.
    pub(crate) fn dev(&self) -> Run {
        let programs = self.path().join("bin");
        let programs = programs.to_str().unwrap();
        let any = "127.0.0.1:0";
        let arguments = ["dev", "--no-install", "--http", any, "--https", any];
        let arguments = [&arguments[..], &["--programs", programs]].concat();
        self.xtask(&arguments, &[])
    }

    /// Fails if a process is left that was started for this place.
    pub(crate) fn assert_nothing_runs(&self) {
        let mark = self.state().display().to_string();
        let left: Vec<_> = command_lines()
            .filter(|line| line.contains(&mark))
            .collect();
        assert!(left.is_empty(), "left running: {left:?}");
    }
}

impl Run {
    /// Waits until the log says `text`.
    pub(crate) fn says(&self, text: &str) {
        let begin = Instant::now();
        while !self.log().contains(text) {
            assert!(
                begin.elapsed() < PATIENCE,
                "`{text}` was not said:\n{}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).unwrap();
        rustix::process::kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
    }

    /// Waits for the end.
    pub(crate) fn end(mut self) -> Ended {
        let begin = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(begin.elapsed() < PATIENCE, "no end:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        };
        Ended {
            status,
            log: self.log(),
        }
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        if self.child.try_wait().ok().flatten().is_none() {
            // A failed test: xtask stops what it has started.
            self.signal(Signal::TERM);
            drop(self.child.wait());
        }
    }
}

impl Ended {
    /// The errors in the log.
    pub(crate) fn errors(&self) -> Vec<&str> {
        self.log
            .lines()
            .filter(|line| line.starts_with("error: "))
            .collect()
    }
}

/// The command lines of all processes, arguments separated by spaces.
fn command_lines() -> impl Iterator<Item = String> {
    fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|entry| {
            entry.file_name().to_str()?.parse::<u32>().ok()?;
            let mut line = String::new();
            File::open(entry.path().join("cmdline"))
                .ok()?
                .read_to_string(&mut line)
                .ok()?;
            Some(line.replace('\0', " "))
        })
}
