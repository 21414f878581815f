//! The proxy under test: the real binary in a directory of its own.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio};
use std::time::Duration;
use std::time::Instant;

use command_fds::{CommandFdExt, FdMapping};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::PATIENCE;

const HEAD: &str = "[telemetry]\nformat = 'json'\n[proxy]\nhttp = '127.0.0.1:0'\nthreads = 1\n";

/// A running proxy; killed when dropped.
pub(crate) struct Proxy {
    child: Child,
    output: BufReader<ChildStdout>,
    /// Where it listens for plain HTTP.
    pub(crate) http: SocketAddr,
    /// Where it listens for HTTPS.
    pub(crate) https: Option<SocketAddr>,
    /// Where its admin listener is.
    pub(crate) admin: Option<SocketAddr>,
    /// Its control socket.
    pub(crate) control: Option<PathBuf>,
    directory: TempDir,
}

impl Proxy {
    /// With everything to one upstream `app` at `target`.
    pub(crate) fn to(target: &str) -> Self {
        Self::with_limits(target, "")
    }

    /// The same with lines for `[proxy.limits]`.
    pub(crate) fn with_limits(target: &str, limits: &str) -> Self {
        Self::start(&format!("[proxy.limits]\n{limits}\n{}", app(target)))
    }

    /// With these lines after `http` and `threads`.
    pub(crate) fn start(settings: &str) -> Self {
        let directory = directory(settings);
        let command = command(directory.path());
        Self::run(directory, command)
    }

    /// With an inherited socket called `http`.
    pub(crate) fn inheriting(socket: OwnedFd, settings: &str) -> Self {
        let directory = directory(settings);
        let mut command = command(directory.path());
        command.env("LISTEN_FDS", "1").env("LISTEN_FDNAMES", "http");
        let mapping = FdMapping {
            parent_fd: socket,
            child_fd: 3,
        };
        command.fd_mappings(vec![mapping]).expect("descriptor");
        Self::run(directory, command)
    }

    /// With `NOTIFY_SOCKET`.
    pub(crate) fn notifying(socket: &Path, settings: &str) -> Self {
        let directory = directory(settings);
        let mut command = command(directory.path());
        command.env("NOTIFY_SOCKET", socket);
        Self::run(directory, command)
    }

    fn run(directory: TempDir, mut command: Command) -> Self {
        let log = std::fs::File::create(directory.path().join("log")).expect("log");
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("the proxy starts");
        let output = BufReader::new(child.stdout.take().expect("output"));
        let mut proxy = Self {
            child,
            output,
            http: ([0, 0, 0, 0], 0).into(),
            https: None,
            admin: None,
            control: None,
            directory,
        };
        let text = std::fs::read_to_string(proxy.directory.path().join("default.toml"));
        let expected = if text.expect("settings").contains("\nhttps =") {
            2
        } else {
            1
        };
        let mut found = 0;
        while found < expected {
            found += usize::from(proxy.read_announcement());
        }
        proxy
    }

    /// Kills it without a word and starts it again in the same directory.
    pub(crate) fn kill_and_restart(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        let log = std::fs::File::create(self.directory.path().join("log")).expect("log");
        self.child = command(self.directory.path())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("the proxy starts");
        self.output = BufReader::new(self.child.stdout.take().expect("output"));
        while !self.read_announcement() {}
    }

    /// True for one that visitors use.
    fn read_announcement(&mut self) -> bool {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("output");
        let words: Vec<&str> = line.split_whitespace().collect();
        let [_, name, address] = words[..] else {
            panic!("the proxy did not start: {}", self.log());
        };
        let tcp = || address.parse().expect("address");
        match name {
            "http" => self.http = tcp(),
            "https" => self.https = Some(tcp()),
            "control" => {
                let path = address.strip_prefix("unix:").expect("path");
                self.control = Some(PathBuf::from(path));
            }
            _ => self.admin = Some(tcp()),
        }
        matches!(name, "http" | "https")
    }

    /// What it has logged so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }

    /// Processor time of all its threads so far.
    pub(crate) fn cpu(&self) -> Duration {
        let tasks = format!("/proc/{}/task", self.child.id());
        let nanoseconds = std::fs::read_dir(tasks)
            .expect("threads")
            .filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("schedstat")).ok())
            .filter_map(|text| text.split_whitespace().next()?.parse::<u64>().ok())
            .sum();
        Duration::from_nanos(nanoseconds)
    }

    /// Memory that it has for itself, in KiB.
    pub(crate) fn private_kib(&self) -> u64 {
        let smaps = format!("/proc/{}/smaps_rollup", self.child.id());
        let text = std::fs::read_to_string(smaps).expect("memory");
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("Private_Dirty:"));
        let number = line.and_then(|line| line.split_whitespace().next());
        number
            .and_then(|number| number.parse().ok())
            .expect("memory")
    }

    /// Its directory: settings, log, keys.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// `kiuas-proxy ctl` with these arguments: exit status, standard output, standard error.
    pub(crate) async fn ctl(&self, arguments: &[&str]) -> (i32, String, String) {
        let mut command = tokio::process::Command::from(bare(self.directory.path()));
        let output = command
            .arg("ctl")
            .args(arguments)
            .kill_on_drop(true)
            .output();
        let output = tokio::time::timeout(PATIENCE * 3, output)
            .await
            .expect("an end in time")
            .expect("ctl runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (
            output.status.code().expect("code"),
            text(&output.stdout),
            text(&output.stderr),
        )
    }

    /// The same with `--json`, which must succeed.
    pub(crate) async fn ctl_json(&self, arguments: &[&str]) -> serde_json::Value {
        let (code, out, err) = self.ctl(&[arguments, &["--json"]].concat()).await;
        assert_eq!(code, 0, "{arguments:?}: {out}{err}");
        serde_json::from_str(&out).expect("JSON")
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends SIGTERM.
    pub(crate) fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).expect("pid");
        kill_process(Pid::from_raw(pid).expect("pid"), signal).expect("signal");
    }

    /// Writes other settings; they count from the next reload on.
    pub(crate) fn rewrite(&self, settings: &str) {
        write_settings(self.directory.path(), settings);
    }

    /// What `kiuas-proxy check` prints on standard error about the settings.
    pub(crate) fn check(&self) -> String {
        let output = bare(self.directory.path()).arg("check").output();
        String::from_utf8_lossy(&output.expect("check runs").stderr).into_owned()
    }

    /// The control socket's path, as `--socket` takes it.
    pub(crate) fn socket(&self) -> String {
        let path = self.control.as_deref().expect("a control socket");
        path.to_string_lossy().into_owned()
    }

    /// Waits for its end.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE * 2;
        loop {
            if let Some(status) = self.child.try_wait().expect("status") {
                return status;
            }
            assert!(Instant::now() < deadline, "it does not end: {}", self.log());
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // The harness shows the output of failed tests.
            #[expect(clippy::print_stderr, reason = "the evidence of a failed test")]
            {
                eprintln!("the proxy's log:\n{}", self.log());
            }
        }
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Settings for everything to one upstream at `target`.
pub(crate) fn app(target: &str) -> String {
    format!(
        "[[proxy.sites]]\nhosts = '*'\n[[proxy.sites.routes]]\nprefix = '/'\nupstream = 'app'\n\
         [proxy.upstreams.app]\ntargets = '{target}'\n"
    )
}

/// Runs the binary to its end.
pub(crate) fn output(settings: &str, arguments: &[&str]) -> Output {
    let directory = directory(settings);
    bare(directory.path())
        .args(arguments)
        .output()
        .expect("the proxy runs")
}

fn directory(settings: &str) -> TempDir {
    let directory = tempfile::tempdir().expect("directory");
    // A directory of files must be there when the proxy starts.
    for name in ["root", "none"] {
        if settings.contains(&format!("'$DIR/{name}'")) {
            std::fs::create_dir(directory.path().join(name)).expect("directory");
        }
    }
    write_settings(directory.path(), settings);
    directory
}

fn write_settings(directory: &Path, settings: &str) {
    let settings = settings.replace("$DIR", &directory.to_string_lossy());
    let text = if settings.starts_with("[proxy]") {
        settings
    } else {
        format!("{HEAD}{settings}")
    };
    std::fs::write(directory.join("default.toml"), text).expect("settings");
}

fn bare(directory: &Path) -> Command {
    let mut command = Command::new(PathBuf::from(env!("CARGO_BIN_EXE_kiuas-proxy")));
    let ours = std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("KIUAS"));
    for (name, _) in ours {
        command.env_remove(name);
    }
    command
        .env("KIUAS_ENV", "testing")
        .env("KIUAS_CONFIG", directory)
        .env_remove("NOTIFY_SOCKET")
        .env_remove("LISTEN_FDS")
        .stdin(Stdio::null());
    command
}

fn command(directory: &Path) -> Command {
    let mut command = bare(directory);
    command.arg("serve");
    command
}
