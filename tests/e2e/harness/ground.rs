//! What a stack stands on: a database, a Redis, a directory, and settings that name them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use kiuas_common::testing::{TestDatabase, TestRedis};

use super::eventually::PATIENCE;
use super::process::{Process, Start};
use super::run::RunDirectory;

/// How a test's processes differ from the usual ones.
#[derive(Default)]
pub(crate) struct Options {
    settings: Vec<(&'static str, String)>,
}

impl Options {
    /// A setting for every process, by its dotted key.
    pub(crate) fn set(mut self, key: &'static str, value: impl Into<String>) -> Self {
        self.settings.push((key, value.into()));
        self
    }
}

/// Services and settings, without any process of ours yet.
pub(crate) struct Ground {
    settings: Vec<(&'static str, String)>,
    pub(crate) redis: TestRedis,
    pub(crate) database: TestDatabase,
    pub(crate) run: RunDirectory,
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) output: String,
    pub(crate) log: String,
}

impl Ground {
    pub(crate) async fn prepare(options: Options) -> Self {
        let run = RunDirectory::create();
        let database = TestDatabase::create().await;
        // Tasks and sessions outlive a restart of Redis, as they do on a server.
        let redis = TestRedis::start_with(&["--appendonly", "yes"]);
        copy_settings(&run);
        let mut settings = settings(&run, &database, &redis);
        settings.extend(options.settings);
        Self {
            settings,
            redis,
            database,
            run,
        }
    }

    /// The socket between proxy and web pool.
    pub(crate) fn web_socket(&self) -> PathBuf {
        web_socket(&self.run)
    }

    /// Starts one of our programs.
    pub(crate) fn start(&self, name: &str, program: &str, arguments: &[&str]) -> Process {
        let mut start = Start::new(name, binary(program))
            .args(arguments)
            .env("KIUAS_ENV", "testing")
            .env("KIUAS_CONFIG", self.run.join("config"));
        // Paths in the settings are relative to the checkout.
        start.command.current_dir(workspace());
        for (key, value) in &self.settings {
            let variable = format!("KIUAS__{}", key.replace('.', "__").to_uppercase());
            start = start.env(&variable, value);
        }
        start.spawn(&self.run)
    }

    /// Runs one of our programs to its end.
    pub(crate) async fn run(&self, program: &str, arguments: &[&str]) -> Ended {
        let mut process = self.start("command", program, arguments);
        Ended {
            status: process.exit(PATIENCE).await,
            output: process.output(),
            log: process.take_log(),
        }
    }

    /// Runs `site ARGUMENTS`, expects that it succeeds, and returns its standard output.
    pub(crate) async fn site(&self, arguments: &[&str]) -> String {
        let ended = self.run("site", arguments).await;
        assert!(
            ended.status.success(),
            "`site {}`: {}\n{}",
            arguments.join(" "),
            ended.status,
            ended.log
        );
        ended.output
    }
}

/// The directory of the programs under test.
pub(crate) fn binaries() -> PathBuf {
    std::env::var_os("KIUAS_TEST_BIN_DIR")
        .map_or_else(|| workspace().join("target/debug"), PathBuf::from)
}

/// The root of the checkout.
pub(crate) fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the package is one level deep")
        .to_owned()
}

/// One of the programs under test.
pub(crate) fn binary(name: &str) -> PathBuf {
    let path = binaries().join(name);
    assert!(
        path.is_file(),
        "{} is missing: build it first, or run the tests with `cargo xtask test`",
        path.display()
    );
    path
}

fn settings(
    run: &RunDirectory,
    database: &TestDatabase,
    redis: &TestRedis,
) -> Vec<(&'static str, String)> {
    let redis = redis.settings();
    let upstream = format!("unix:{}", web_socket(run).display());
    vec![
        ("postgres.url", database.url()),
        ("redis.url", redis.url),
        ("redis.cache_db", redis.cache_db.to_string()),
        ("redis.queue_db", redis.queue_db.to_string()),
        ("mail.transport", "file".to_owned()),
        ("mail.directory", run.join("mail").display().to_string()),
        ("proxy.http", "127.0.0.1:0".to_owned()),
        ("proxy.https", "127.0.0.1:0".to_owned()),
        ("proxy.tls.directory", run.join("tls").display().to_string()),
        ("proxy.upstreams.app.targets", upstream),
        ("telemetry.format", "pretty".to_owned()),
    ]
}

/// The checkout's settings without those of its programmer.
fn copy_settings(run: &RunDirectory) {
    let directory = run.join("config");
    fs::create_dir(&directory).expect("settings directory");
    for entry in fs::read_dir(workspace().join("config")).expect("config") {
        let entry = entry.expect("config");
        if entry.file_name() != "local.toml" {
            fs::copy(entry.path(), directory.join(entry.file_name())).expect("copy of a setting");
        }
    }
}

fn web_socket(run: &RunDirectory) -> PathBuf {
    run.join("web.sock")
}
