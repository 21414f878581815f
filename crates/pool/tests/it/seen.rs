//! What the monitor shows of a pool over `crates/web/examples/trouble`.

mod ctl;
mod figures;
mod work;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

use crate::client::get;
use crate::harness::{Pool, echo_child, eventually};

/// A pool that is looked at.
struct Seen {
    pool: Pool,
    directory: TempDir,
}

impl Seen {
    /// Two processes with two threads each, with these lines in `[pool.web]` too. `{}` stands for the
    /// test's directory.
    fn start(settings: &str, variables: &[(&str, &str)]) -> Self {
        let trouble = echo_child().with_file_name("trouble");
        assert!(
            trouble.exists(),
            "{} is missing: `cargo build -p kiuas-web --example trouble`",
            trouble.display()
        );
        let command = [trouble.display().to_string()];
        Self::over(&command, settings, variables)
    }

    fn over(command: &[String], settings: &str, variables: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().expect("directory");
        let text = format!(
            "[pool.web]\nthreads = 2\nadmin = '127.0.0.1:0'\ncontrol = 'unix:{{}}/control.sock'\n{settings}"
        );
        let text = text.replace("{}", &directory.path().display().to_string());
        let pool = Pool::start_with(&text, &[], command, |pool| {
            pool.env("KIUAS__TELEMETRY__LEVEL", "info");
            pool.envs(variables.iter().copied());
        });
        pool.wait_until_ready();
        Self { pool, directory }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn ctl(&self, arguments: &[&str]) -> Output {
        let control = format!("unix:{}", self.path("control.sock").display());
        let output = Command::new(env!("CARGO_BIN_EXE_kiuas-pool"))
            .args(["ctl", "--control", &control])
            .args(arguments)
            .output()
            .expect("kiuas-pool ctl");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {errors}");
        output
    }

    fn report(&self, verb: &str) -> Value {
        serde_json::from_slice(&self.ctl(&[verb, "--json"]).stdout).expect("JSON")
    }

    fn text(&self, verb: &str) -> String {
        String::from_utf8(self.ctl(&[verb]).stdout).expect("UTF-8")
    }

    fn metrics(&self) -> String {
        let answer = get(self.pool.address("admin"), "/metrics").expect("metrics");
        answer.body
    }

    /// The value of a line of the metrics.
    fn metric(&self, name: &str) -> f64 {
        let metrics = self.metrics();
        let line = metrics
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        let value = line.unwrap_or_else(|| panic!("no {name} in:\n{metrics}"));
        value.parse().expect("a number")
    }

    fn wait_for_metric(&self, name: &str, value: f64) {
        eventually(&format!("{name} is {value}"), || {
            (self.metric(name) - value).abs().lt(&0.5).then_some(())
        });
    }

    /// Pauses every child, and waits until all of them say that they take nothing: the pool's own word
    /// comes earlier.
    fn pause(&self) {
        self.ctl(&["pause"]);
        eventually("the pause", || {
            let stats = self.report("dump");
            let all = stats["processes"].as_array()?;
            let paused = |it: &Value| it["says"] == "paused";
            all.iter().all(paused).then_some(())
        });
    }

    fn address(&self) -> SocketAddr {
        self.pool.address("web")
    }
}

const TCP: &str = "listen = ['127.0.0.1:0']\n";
