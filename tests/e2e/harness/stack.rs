//! The whole stack, real and private: database, Redis, proxy, two web children, a worker, beat.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kiuas_common::testing::{TestDatabase, TestRedis};

use super::process::{Process, Start};
use super::run::RunDirectory;
use super::tree::{self, Running};
use super::visitor::Visitor;

/// How a stack differs from the usual one.
#[derive(Default)]
pub(crate) struct Options {
    /// Settings for every process: dotted key and value.
    pub(crate) settings: Vec<(&'static str, String)>,
}

impl Options {
    pub(crate) fn set(mut self, key: &'static str, value: impl Into<String>) -> Self {
        self.settings.push((key, value.into()));
        self
    }
}

/// A running stack. Dropping it kills everything it started; [`Stack::stop`] ends it in order.
pub(crate) struct Stack {
    pub(crate) proxy: Process,
    pub(crate) web: Process,
    pub(crate) worker: Process,
    pub(crate) beat: Process,
    /// `HOST:PORT` of the proxy's plain HTTP listener.
    pub(crate) authority: String,
    pub(crate) redis: TestRedis,
    pub(crate) database: TestDatabase,
    settings: Vec<(String, String)>,
    run: RunDirectory,
}

impl Stack {
    pub(crate) async fn start(options: Options) -> Self {
        let run = RunDirectory::create();
        let database = TestDatabase::create().await;
        // Tasks and sessions outlive a restart of Redis, as they do on a server.
        let redis = TestRedis::start_with(&["--appendonly", "yes"]);
        let settings = settings(&run, &database, &redis, options);
        copy_settings(&run);
        migrate(&run, &settings).await;
        let mut web = web(&run, &settings);
        let mut worker = pool(&run, &settings, "worker", 1, &["worker"]);
        let mut beat = component(&run, &settings, "beat", "site", &["beat"]);
        let mut proxy = component(&run, &settings, "proxy", "kiuas-proxy", &["serve"]);
        for process in [&mut web, &mut worker, &mut beat, &mut proxy] {
            process.ready().await;
        }
        let authority = proxy.listening("http").expect("the proxy's HTTP address");
        Self {
            proxy,
            web,
            worker,
            beat,
            authority,
            redis,
            database,
            settings,
            run,
        }
    }

    /// URL of the site, without a slash at the end.
    pub(crate) fn base(&self) -> String {
        format!("http://{}", self.authority)
    }

    pub(crate) fn visitor(&self) -> Visitor {
        Visitor::new(&self.authority)
    }

    pub(crate) fn run(&self) -> &RunDirectory {
        &self.run
    }

    /// Runs `site ARGUMENTS` to its end and returns its standard output.
    pub(crate) async fn site(&self, arguments: &[&str]) -> String {
        run_to_end(&self.run, &self.settings, "command", arguments).await
    }

    /// The living children of a pool.
    pub(crate) fn children(pool: &Process) -> Vec<Running> {
        tree::children(pool.pid())
    }

    /// Starts the web pool again after its end.
    pub(crate) async fn start_web(&mut self) {
        self.web = web(&self.run, &self.settings);
        self.web.ready().await;
    }

    /// Ends everything in order and asserts that nothing is left.
    pub(crate) async fn stop(mut self) {
        for process in [
            &mut self.proxy,
            &mut self.web,
            &mut self.worker,
            &mut self.beat,
        ] {
            process.stop().await;
        }
        assert_eq!(
            tree::marked(self.run.mark()),
            [],
            "processes are left after an orderly stop"
        );
    }
}

/// The directory of the binaries under test.
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

fn binary(name: &str) -> PathBuf {
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
    options: Options,
) -> Vec<(String, String)> {
    let mut settings = vec![
        ("postgres.url", database.url()),
        ("redis.url", redis.settings().url),
        ("redis.cache_db", "14".to_owned()),
        ("redis.queue_db", "15".to_owned()),
        ("mail.transport", "file".to_owned()),
        ("mail.directory", run.join("mail").display().to_string()),
        ("proxy.http", "127.0.0.1:0".to_owned()),
        ("proxy.https", "127.0.0.1:0".to_owned()),
        ("proxy.tls.directory", run.join("tls").display().to_string()),
        (
            "proxy.upstreams.web.targets",
            format!("unix:{}", web_socket(run).display()),
        ),
        ("telemetry.format", "pretty".to_owned()),
    ];
    settings.extend(options.settings);
    settings
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
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

fn web(run: &RunDirectory, settings: &[(String, String)]) -> Process {
    pool(run, settings, "web", 2, &["serve"])
}

fn pool(
    run: &RunDirectory,
    settings: &[(String, String)],
    name: &str,
    processes: usize,
    command: &[&str],
) -> Process {
    let mut arguments = vec![
        "run".to_owned(),
        "--name".to_owned(),
        name.to_owned(),
        "--processes".to_owned(),
        processes.to_string(),
    ];
    if name == "web" {
        let address = format!("unix:{}", web_socket(run).display());
        arguments.extend(["--listen".to_owned(), address]);
    }
    arguments.extend(["--".to_owned(), binary("site").display().to_string()]);
    arguments.extend(command.iter().map(|&word| word.to_owned()));
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    component(run, settings, name, "kiuas-pool", &arguments)
}

fn component(
    run: &RunDirectory,
    settings: &[(String, String)],
    name: &str,
    program: &str,
    arguments: &[&str],
) -> Process {
    start(run, settings, name, program, arguments).spawn(run)
}

fn start(
    run: &RunDirectory,
    settings: &[(String, String)],
    name: &str,
    program: &str,
    arguments: &[&str],
) -> Start {
    let mut start = Start::new(name, binary(program))
        .args(arguments)
        .env("KIUAS_ENV", "testing")
        .env("KIUAS_CONFIG", run.join("config"));
    // Paths in the settings are relative to the checkout.
    start.command.current_dir(workspace());
    for (key, value) in settings {
        let variable = format!("KIUAS__{}", key.replace('.', "__").to_uppercase());
        start = start.env(&variable, value);
    }
    start
}

async fn migrate(run: &RunDirectory, settings: &[(String, String)]) {
    run_to_end(run, settings, "migrate", &["migrate", "up"]).await;
}

async fn run_to_end(
    run: &RunDirectory,
    settings: &[(String, String)],
    name: &str,
    arguments: &[&str],
) -> String {
    let mut process = component(run, settings, name, "site", arguments);
    let status = process.exit(Duration::from_secs(60)).await;
    assert!(
        status.success(),
        "`site {}` ended with {status}:\n{}",
        arguments.join(" "),
        process.log()
    );
    process.output()
}
