//! A pool over `crates/web/examples/trouble`: an application of the stack with a route for every way to
//! misbehave.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::client::Target;
use crate::harness::{Pool, example};

/// A pool to be. Its children read [`Trouble::version`]'s variables when they start.
pub(crate) struct Trouble {
    settings: Vec<String>,
    /// Variables of the pool, which its children inherit.
    variables: Vec<(String, String)>,
    listens: String,
    directory: TempDir,
}

/// The program.
pub(crate) fn program() -> String {
    let path = example("trouble", "cargo build -p kiuas-web --example trouble");
    path.to_str().expect("UTF-8").to_owned()
}

impl Trouble {
    /// Two processes with two threads each, on a free port.
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().expect("directory");
        let trouble = Self {
            settings: Vec::new(),
            variables: Vec::new(),
            listens: "127.0.0.1:0".to_owned(),
            directory,
        };
        trouble.version("VERSION=1");
        trouble
            .set("threads = 2")
            .set("backoff_min = '50ms'")
            .variable("KIUAS__TELEMETRY__LEVEL", "info")
            // Naming the stack of a panic takes an unoptimised program longer than its limits.
            .variable("RUST_BACKTRACE", "0")
    }

    /// A line of `[pool.web]`; the last one about a key counts.
    pub(crate) fn set(mut self, line: &str) -> Self {
        let key = |line: &str| line.split('=').next().map(str::to_owned);
        self.settings.retain(|other| key(other) != key(line));
        self.settings.push(line.to_owned());
        self
    }

    pub(crate) fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// So long a handler may run, and then so long hold its thread.
    pub(crate) fn limits(self, soft: &str, grace: &str) -> Self {
        self.variable("KIUAS__WEB__REQUEST_TIMEOUT", soft)
            .variable("KIUAS__WEB__HARD_GRACE", grace)
    }

    /// On the address of a pool that was started before.
    pub(crate) fn listening_at(mut self, target: &Target) -> Self {
        self.listens = match target {
            Target::Tcp(address) => address.to_string(),
            Target::Unix(path) => format!("unix:{}", path.display()),
        };
        self
    }

    pub(crate) fn on_unix_socket(mut self) -> Self {
        self.listens = format!("unix:{}", self.socket().display());
        self
    }

    fn socket(&self) -> PathBuf {
        self.directory.path().join("web.sock")
    }

    /// Children that start from now on are like this: lines of `NAME=VALUE`.
    pub(crate) fn version(&self, variables: &str) {
        let new = self.directory.path().join("version.new");
        std::fs::write(&new, variables).expect("version");
        std::fs::rename(new, self.version_file()).expect("version");
    }

    fn version_file(&self) -> PathBuf {
        self.directory.path().join("version")
    }

    /// Starts the pool, and waits until every child is ready.
    pub(crate) fn start(&self) -> Pool {
        let pool = self.begin();
        pool.wait_until_ready();
        pool
    }

    /// Starts the pool.
    pub(crate) fn begin(&self) -> Pool {
        self.begin_prepared(|_| {})
    }

    pub(crate) fn begin_prepared(&self, prepare: impl FnOnce(&mut Command)) -> Pool {
        let own = Path::new(env!("CARGO_BIN_EXE_kiuas-pool"));
        self.begin_program(own, prepare)
    }

    /// With another file of the pool's program.
    pub(crate) fn begin_program(&self, own: &Path, prepare: impl FnOnce(&mut Command)) -> Pool {
        let text = format!(
            "[pool.web]\nenvironment_files = ['{}']\n{}",
            self.version_file().display(),
            self.settings.join("\n")
        );
        let arguments = ["--listen", &self.listens];
        Pool::start_program(own, &text, &arguments, &[program()], |command| {
            command.envs(self.variables.iter().cloned());
            prepare(command);
        })
    }

    /// Where `pool`, which was started from this, listens.
    pub(crate) fn target(&self, pool: &Pool) -> Target {
        if self.listens.starts_with("unix:") {
            Target::Unix(self.socket())
        } else {
            Target::Tcp(pool.address("web"))
        }
    }
}

/// What a program said when it was done.
pub(crate) fn said(output: &Output) -> String {
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    text
}
