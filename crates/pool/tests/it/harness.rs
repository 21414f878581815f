//! A running pool, its children's orders, and waiting for what must come.

use std::fs::Permissions;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde_json::Value;
use tempfile::TempDir;

/// Longest wait for anything that must happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// The program that the tests supervise.
pub(crate) fn echo_child() -> PathBuf {
    example(
        "echo_child",
        "cargo build -p kiuas-pool --example echo_child",
    )
}

/// An example of this workspace; `build` makes it where the tests of all packages are not run together.
pub(crate) fn example(name: &str, build: &str) -> PathBuf {
    built(Path::new("examples").join(name), build)
}

/// A program of another package of this workspace.
pub(crate) fn binary(name: &str) -> PathBuf {
    built(name, &format!("cargo build -p {name}"))
}

fn built(place: impl AsRef<Path>, build: &str) -> PathBuf {
    let test = std::env::current_exe().expect("path of the test");
    let target = test
        .parent()
        .and_then(Path::parent)
        .expect("target directory");
    let program = target.join(place);
    assert!(
        program.exists(),
        "{} is missing: `{build}` builds it",
        program.display()
    );
    program
}

/// A shell script in `directory` that can be started in the place of the pool's program.
pub(crate) fn script(directory: &Path, text: &str) -> PathBuf {
    let path = directory.join("script");
    std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).expect("script");
    std::fs::set_permissions(&path, Permissions::from_mode(0o755)).expect("mode");
    path
}

/// Waits until `condition` gives something.
pub(crate) fn eventually<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(begin.elapsed() < PATIENCE, "never happened: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

pub(crate) fn is_alive(pid: i32) -> bool {
    Pid::from_raw(pid).is_some_and(|pid| test_kill_process(pid).is_ok())
}

pub(crate) fn signal(pid: i32, signal: Signal) {
    kill_process(Pid::from_raw(pid).expect("pid"), signal).expect("signal");
}

/// Orders for `echo_child`, in a file that can change between two starts.
pub(crate) struct Orders {
    directory: TempDir,
}

impl Orders {
    pub(crate) fn new(text: &str) -> Self {
        let directory = tempfile::tempdir().expect("directory");
        let orders = Self { directory };
        orders.change(text);
        orders
    }

    pub(crate) fn change(&self, text: &str) {
        std::fs::write(self.path(), text).expect("orders");
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().join("orders")
    }

    /// The command line that obeys these orders.
    pub(crate) fn command(&self) -> Vec<String> {
        [echo_child(), self.path()]
            .map(|path| path.to_str().expect("UTF-8").to_owned())
            .to_vec()
    }
}

/// A pool that is killed when the test ends.
pub(crate) struct Pool {
    process: Child,
    lines: Arc<Mutex<Vec<String>>>,
    settings: TempDir,
}

fn control_address(directory: &Path) -> String {
    format!("unix:{}", directory.join("control").display())
}

impl Pool {
    /// `kiuas-pool run ARGUMENTS -- COMMAND`.
    pub(crate) fn start(arguments: &[&str], command: &[String]) -> Self {
        Self::start_prepared(arguments, command, |_| {})
    }

    pub(crate) fn start_prepared(
        arguments: &[&str],
        command: &[String],
        prepare: impl FnOnce(&mut Command),
    ) -> Self {
        Self::start_with("", arguments, command, prepare)
    }

    /// With such settings, and `-- COMMAND` only if there is one.
    pub(crate) fn start_with(
        text: &str,
        arguments: &[&str],
        command: &[String],
        prepare: impl FnOnce(&mut Command),
    ) -> Self {
        let program = Path::new(env!("CARGO_BIN_EXE_kiuas-pool"));
        Self::start_program(program, text, arguments, command, prepare)
    }

    /// The same, with another file of the pool's program.
    pub(crate) fn start_program(
        program: &Path,
        text: &str,
        arguments: &[&str],
        command: &[String],
        prepare: impl FnOnce(&mut Command),
    ) -> Self {
        let settings = tempfile::tempdir().expect("directory");
        std::fs::write(settings.path().join("default.toml"), text).expect("settings");
        let mut pool = Command::new(program);
        pool.arg("run").args(arguments);
        if !command.is_empty() {
            pool.arg("--").args(command);
        }
        pool.env("KIUAS_CONFIG", settings.path())
            // A pool that is killed cannot remove its runtime directory.
            .env("TMPDIR", settings.path())
            .env_remove("KIUAS_ENV")
            .env("KIUAS__TELEMETRY__LEVEL", "debug")
            // Most tests need no patience for what a new child may do later.
            .env("KIUAS__POOL__WEB__PROBATION", "100ms")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        for name in [
            "NOTIFY_SOCKET",
            "LISTEN_FDS",
            "LISTEN_FDNAMES",
            "KIUAS_FOLLOW_PARENT",
        ] {
            pool.env_remove(name);
        }
        // Variables win over settings.
        if !text.contains("control = ") {
            let control = control_address(settings.path());
            pool.env("KIUAS__POOL__WEB__CONTROL", control);
        }
        prepare(&mut pool);
        let mut process = pool.spawn().expect("kiuas-pool");
        let lines = Arc::new(Mutex::new(Vec::new()));
        collect(process.stdout.take().expect("stdout"), Arc::clone(&lines));
        collect(process.stderr.take().expect("stderr"), Arc::clone(&lines));
        Self {
            process,
            lines,
            settings,
        }
    }

    pub(crate) fn pid(&self) -> i32 {
        i32::try_from(self.process.id()).expect("pid")
    }

    pub(crate) fn signal(&self, number: Signal) {
        signal(self.pid(), number);
    }

    /// All that the pool and its children have written.
    pub(crate) fn output(&self) -> String {
        self.lines.lock().join("\n")
    }

    pub(crate) fn lines_with(&self, text: &str) -> Vec<String> {
        let lines = self.lines.lock();
        lines
            .iter()
            .filter(|line| line.contains(text))
            .cloned()
            .collect()
    }

    /// Waits for `count` lines that contain `text`.
    pub(crate) fn wait_for(&self, text: &str, count: usize) -> Vec<String> {
        let begin = Instant::now();
        loop {
            let found = self.lines_with(text);
            if found.len() >= count {
                return found;
            }
            assert!(
                begin.elapsed() < PATIENCE,
                "{count} lines with `{text}` never came:\n{}",
                self.output()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub(crate) fn wait_until_ready(&self) {
        self.wait_for("every child is ready", 1);
    }

    /// The address that the pool announced under `name`.
    pub(crate) fn address(&self, name: &str) -> SocketAddr {
        let prefix = format!("listening {name} ");
        let line = self.wait_for(&prefix, 1).remove(0);
        line.trim_start_matches(&prefix).parse().expect("address")
    }

    /// Processes that the pool has started or adopted and that have not ended.
    pub(crate) fn children(&self) -> Vec<i32> {
        let pid = self.pid();
        let list = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
        let list = list.unwrap_or_default();
        list.split_whitespace()
            .map(|pid| pid.parse().expect("pid"))
            .collect()
    }

    /// Where it keeps the sockets of its children.
    pub(crate) fn runtime_directory(&self) -> PathBuf {
        let all = std::fs::read_dir(self.settings.path()).expect("directory");
        let is_it = |path: &PathBuf| path.to_string_lossy().contains("/kiuas-pool-");
        all.filter_map(|entry| Some(entry.ok()?.path()))
            .find(is_it)
            .expect("runtime directory")
    }

    /// `kiuas-pool ctl ARGUMENTS`, with an answer or without.
    pub(crate) fn try_ctl(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_kiuas-pool"))
            .arg("ctl")
            .args(["--control", &control_address(self.settings.path())])
            .args(arguments)
            .output()
            .expect("kiuas-pool ctl")
    }

    /// The same; the pool does what it is asked.
    #[track_caller]
    pub(crate) fn ctl(&self, arguments: &[&str]) -> String {
        let output = self.try_ctl(arguments);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{errors}\n{}", self.output());
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// `kiuas-pool ctl VERB --json`.
    #[track_caller]
    pub(crate) fn report(&self, verb: &str) -> Value {
        serde_json::from_str(&self.ctl(&[verb, "--json"])).expect("JSON")
    }

    pub(crate) fn wait_for_end(&mut self) -> ExitStatus {
        let process = &mut self.process;
        eventually("the pool ends", || process.try_wait().expect("wait"))
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        let children = self.children();
        drop(self.process.kill());
        drop(self.process.wait());
        for child in children {
            if let Some(pid) = Pid::from_raw(child) {
                kill_process(pid, Signal::KILL).ok();
            }
        }
    }
}

fn collect(stream: impl Read + Send + 'static, lines: Arc<Mutex<Vec<String>>>) {
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            lines.lock().push(line);
        }
    });
}

/// A figure for whoever reads the test's output; nothing is made of it.
#[expect(clippy::print_stdout, reason = "figures that no test may assert")]
pub(crate) fn say(text: &str) {
    println!("MEASURED: {text}");
}
