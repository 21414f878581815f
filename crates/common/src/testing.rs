//! Private services for tests: a database of its own, a Redis server of its own; programs of others from
//! `PyPI`; and the word for what a machine cannot check.
//!
//! `cargo xtask test` starts one PostgreSQL server for all tests and names it in
//! [`POSTGRES_VARIABLE`]; each test makes a database in it and drops it. Redis is so quick to start that
//! each test has its own server.
#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "test support: a failure here is the test's failure"
)]

mod python;
mod rabbitmq;
mod relay;
mod skip;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::postgres::{Postgres, PostgresSettings};
use crate::redis::{Redis, RedisSettings};

pub use python::python_with;
pub use rabbitmq::{RABBITMQ_VARIABLE, TestRabbitMq, rabbitmq, rabbitmq_address};
pub use relay::Relay;
pub use skip::{STATE_VARIABLE, skip};

/// Names a PostgreSQL server on which the tests may create databases: a URL without a database.
pub const POSTGRES_VARIABLE: &str = "KIUAS_TEST_POSTGRES_URL";

const PATIENCE: Duration = Duration::from_secs(20);

/// A database that goes when this does.
#[derive(Debug)]
pub struct TestDatabase {
    name: String,
    server: String,
}

impl TestDatabase {
    /// Creates an empty database.
    ///
    /// # Panics
    /// There is no server: run the tests with `cargo xtask test`.
    pub async fn create() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let server = std::env::var(POSTGRES_VARIABLE).unwrap_or_else(|_| {
            panic!("{POSTGRES_VARIABLE} is not set: run the tests with `cargo xtask test`")
        });
        let name = format!(
            "test_{}_{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        let database = Self { name, server };
        database
            .administer(&format!(
                "DROP DATABASE IF EXISTS {0} WITH (FORCE)",
                database.name
            ))
            .await;
        database
            .administer(&format!("CREATE DATABASE {}", database.name))
            .await;
        database
    }

    /// Its name on the server.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its URL.
    #[must_use]
    pub fn url(&self) -> String {
        with_database(&self.server, &self.name)
    }

    /// Settings for it.
    #[must_use]
    pub fn settings(&self) -> PostgresSettings {
        PostgresSettings {
            url: self.url(),
            ..PostgresSettings::default()
        }
    }

    /// A pool on it.
    #[must_use]
    pub fn open(&self) -> Postgres {
        Postgres::open(&self.settings(), "test").expect("test database")
    }

    /// A pool on the server's own database, for what cannot be done from inside this one.
    #[must_use]
    pub fn server(&self) -> Postgres {
        let settings = PostgresSettings {
            url: with_database(&self.server, "postgres"),
            ..PostgresSettings::default()
        };
        Postgres::open(&settings, "test").expect("test server")
    }

    async fn administer(&self, statement: &str) {
        let dedicated = self.server().dedicated().await.expect("test server");
        dedicated
            .client
            .batch_execute(statement)
            .await
            .expect(statement);
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        // Drop is not async and the test's runtime may be gone: a thread with a runtime of its own.
        let (name, server) = (self.name.clone(), self.server.clone());
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("runtime");
            let database = std::mem::ManuallyDrop::new(Self { name, server });
            runtime.block_on(database.administer(&format!(
                "DROP DATABASE IF EXISTS {} WITH (FORCE)",
                database.name
            )));
        });
        drop(dropping.join());
    }
}

fn with_database(server: &str, name: &str) -> String {
    // `postgres:///?host=/dir&user=u` becomes `postgres:///name?host=/dir&user=u`.
    match server.split_once('?') {
        Some((head, query)) => format!("{}/{name}?{query}", without_slash(head)),
        None => format!("{}/{name}", without_slash(server)),
    }
}

/// The two slashes after the scheme stay: `postgres:///` has no host and still needs them.
fn without_slash(head: &str) -> &str {
    head.strip_suffix('/').unwrap_or(head)
}

/// A Redis server that goes when this does. It listens on a Unix socket alone.
#[derive(Debug)]
pub struct TestRedis {
    server: Child,
    arguments: Vec<String>,
    directory: tempfile::TempDir,
}

impl TestRedis {
    /// Starts a server and waits until it answers.
    ///
    /// # Panics
    /// There is no `redis-server`: run the tests with `cargo xtask test`, which installs it.
    #[must_use]
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts a server with further arguments, such as `--maxmemory 4mb`.
    ///
    /// # Panics
    /// See [`TestRedis::start`].
    #[must_use]
    pub fn start_with(arguments: &[&str]) -> Self {
        let directory = tempfile::tempdir().expect("temporary directory");
        let arguments: Vec<String> = arguments.iter().map(|&it| it.to_owned()).collect();
        let mut this = Self {
            server: spawn_redis(directory.path(), &arguments),
            arguments,
            directory,
        };
        this.wait();
        this
    }

    /// Ends the server in order, as an operator does; what it persists stays for
    /// [`TestRedis::start_again`].
    pub fn stop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.server);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("SIGTERM");
        self.server.wait().expect("the end of redis-server");
    }

    /// Starts the server that [`TestRedis::stop`] ended: same socket, same directory.
    pub fn start_again(&mut self) {
        self.server = spawn_redis(self.directory.path(), &self.arguments);
        self.wait();
    }

    fn wait(&mut self) {
        let begin = Instant::now();
        while std::os::unix::net::UnixStream::connect(self.socket()).is_err() {
            assert!(
                begin.elapsed() < PATIENCE,
                "redis-server did not start: {}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Path of its socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.directory.path().join("redis.sock")
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.server.id()
    }

    /// Settings for it, with the tests' databases 14 (cache) and 15 (queue).
    #[must_use]
    pub fn settings(&self) -> RedisSettings {
        RedisSettings {
            url: format!("redis+unix://{}", self.socket().display()),
            cache_db: 14,
            queue_db: 15,
            ..RedisSettings::default()
        }
    }

    /// The database of the queue.
    #[must_use]
    pub fn queue(&self) -> Redis {
        Redis::queue(&self.settings()).expect("test Redis")
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("redis.log")).unwrap_or_default()
    }
}

fn spawn_redis(directory: &Path, arguments: &[String]) -> Child {
    let log = std::fs::File::options()
        .create(true)
        .append(true)
        .open(directory.join("redis.log"))
        .expect("log file");
    Command::new("redis-server")
        .args(["--port", "0", "--save", "", "--unixsocket"])
        .arg(directory.join("redis.sock"))
        .arg("--dir")
        .arg(directory)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(log)
        .spawn()
        .expect("redis-server: run the tests with `cargo xtask test`, which installs it")
}

impl Drop for TestRedis {
    fn drop(&mut self) {
        drop(self.server.kill());
        drop(self.server.wait());
    }
}
