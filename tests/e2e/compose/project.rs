//! One compose project: its commands, its containers, and what is left of it.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Command;

use super::daemon::Daemon;
use super::{output, succeed};
use crate::harness::ground::workspace;

/// Label of everything that compose makes.
const LABEL: &str = "com.docker.compose.project";

pub(crate) struct Project<'a> {
    daemon: &'a Daemon,
    directory: PathBuf,
    name: String,
    ports: [u16; 2],
}

impl<'a> Project<'a> {
    pub(crate) fn new(daemon: &'a Daemon, directory: PathBuf) -> Self {
        Self {
            daemon,
            directory,
            name: name(),
            ports: free_ports(),
        }
    }

    pub(crate) fn base(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports[0])
    }

    /// Builds the images and starts all services, each when those that it needs are healthy.
    pub(crate) fn up(&self) {
        succeed(self.compose().args(["up", "--detach", "--build"]));
        let mut wait = self.docker();
        wait.args(["inspect", "--format", "{{.State.Health.Status}}"]);
        wait.arg(self.container("proxy"));
        let begin = std::time::Instant::now();
        while output(&mut wait) != "healthy" {
            assert!(
                begin.elapsed() < crate::harness::eventually::PATIENCE,
                "the proxy does not get healthy: {}",
                output(self.compose().args(["logs", "--tail=40"]))
            );
            std::thread::sleep(std::time::Duration::from_millis(200));
        }
    }

    /// Containers that should be healthy (or, the migrations, done) and are not.
    pub(crate) fn unhealthy(&self) -> Vec<String> {
        let all = self.containers();
        assert_eq!(all.len(), 7, "{all:?}");
        let state = "{{.Name}} {{if .State.Health}}{{.State.Health.Status}}{{else}}{{.State.Status}} {{.State.ExitCode}}{{end}}";
        let states = output(self.docker().args(["inspect", "--format", state]).args(all));
        states
            .lines()
            .filter(|line| !line.ends_with(" healthy") && !line.ends_with(" exited 0"))
            .map(str::to_owned)
            .collect()
    }

    /// Ends and removes everything, data included. The images stay: they are the next build's cache.
    pub(crate) fn remove(&self) {
        succeed(
            self.compose()
                .args(["down", "--volumes", "--remove-orphans"]),
        );
    }

    /// Containers, volumes and networks that are still there.
    pub(crate) fn rest(&self) -> Vec<String> {
        let kinds: [&[&str]; 3] = [&["ps", "--all"], &["volume", "ls"], &["network", "ls"]];
        kinds.iter().flat_map(|kind| self.list(kind)).collect()
    }

    fn containers(&self) -> Vec<String> {
        self.list(&["ps", "--all"])
    }

    fn list(&self, kind: &[&str]) -> Vec<String> {
        let filter = format!("label={LABEL}={}", self.name);
        let mut list = self.docker();
        list.args(kind).args(["--quiet", "--filter", &filter]);
        output(&mut list).lines().map(str::to_owned).collect()
    }

    fn container(&self, service: &str) -> String {
        output(self.compose().args(["ps", "--quiet", service]))
    }

    fn docker(&self) -> Command {
        self.daemon.client(Command::new("docker"))
    }

    fn compose(&self) -> Command {
        let mut command = self.daemon.client(version());
        command
            .args(["--project-name", &self.name])
            .current_dir(&self.directory)
            .env("KIUAS_HTTP_PORT", self.ports[0].to_string())
            .env("KIUAS_HTTPS_PORT", self.ports[1].to_string())
            .env("KIUAS_BASE_URL", self.base());
        command
    }
}

/// Compose v2 where there is one, else 1.29.
fn version() -> Command {
    let mut plugin = Command::new("docker");
    plugin.arg("compose");
    let found = Command::new("docker").args(["compose", "version"]).output();
    if found.is_ok_and(|output| output.status.success()) {
        plugin
    } else {
        Command::new("docker-compose")
    }
}

/// The same in every run of a checkout, so that a run finds what a killed one left; different in
/// another checkout.
fn name() -> String {
    let path = workspace();
    let hash = path
        .as_os_str()
        .as_encoded_bytes()
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        });
    format!("kiuas-e2e-{:08x}", hash >> 32)
}

fn free_ports() -> [u16; 2] {
    let sockets = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").expect("port"));
    sockets.map(|socket| socket.local_addr().expect("address").port())
}
