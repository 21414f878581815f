//! RabbitMQ for tests: the one that all share, and one of a test's own that it may restart.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::skip;

/// Names the RabbitMQ server of the tests, `amqp://user:password@host:port`.
pub const RABBITMQ_VARIABLE: &str = "KIUAS_TEST_AMQP_URL";

/// Debian's; its namesake in `/usr/sbin` would change to another account.
const PROGRAM: &str = "/usr/lib/rabbitmq/bin/rabbitmq-server";
/// An Erlang system takes its time to start.
const START: Duration = Duration::from_secs(120);
const ANSWER: Duration = Duration::from_secs(20);

/// The RabbitMQ server of the tests: its URL, once it greets; none, loudly, where there is no server.
///
/// `cargo xtask test` starts one for all tests, beside everything else; each test uses queues of its
/// own names.
///
/// # Panics
/// The server does not come up.
#[must_use]
pub fn rabbitmq() -> Option<String> {
    let Ok(url) = std::env::var(RABBITMQ_VARIABLE) else {
        skip(&format!(
            "RabbitMQ: {RABBITMQ_VARIABLE} is not set; `cargo xtask test` sets it where rabbitmq-server \
             is installed"
        ));
        return None;
    };
    wait(&rabbitmq_address(&url));
    Some(url)
}

/// `host:port` in the URL of [`rabbitmq`].
#[must_use]
pub fn rabbitmq_address(url: &str) -> String {
    let rest = url.rsplit_once('@').map_or(url, |(_, rest)| rest);
    rest.split('/').next().unwrap_or_default().to_owned()
}

fn wait(address: &str) {
    let begin = Instant::now();
    while !greets(address) {
        assert!(
            begin.elapsed() < START,
            "RabbitMQ does not answer at {address}"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// RabbitMQ listens a while before it knows its users.
fn greets(address: &str) -> bool {
    let greeting = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(ANSWER))?;
        stream.write_all(b"AMQP\x00\x00\x09\x01")?;
        let mut first = [0];
        stream.read_exact(&mut first)?;
        Ok(first == [1])
    };
    greeting().unwrap_or(false)
}

/// A RabbitMQ server that goes when this does.
#[derive(Debug)]
pub struct TestRabbitMq {
    server: Child,
    register: Child,
    ports: [u16; 3],
    directory: tempfile::TempDir,
}

impl TestRabbitMq {
    /// Starts a server and waits until it greets; none, loudly, where it is not installed. That takes
    /// ten seconds: a test that need not restart it uses [`rabbitmq`].
    ///
    /// # Panics
    /// It does not come up.
    #[must_use]
    pub fn start() -> Option<Self> {
        if !Path::new(PROGRAM).exists() {
            skip(&format!("a restart of RabbitMQ: there is no {PROGRAM}"));
            return None;
        }
        let listen = || TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let ports = [listen(), listen(), listen()]
            .map(|listener| listener.local_addr().expect("an address").port());
        let directory = tempfile::tempdir().expect("temporary directory");
        let this = Self {
            register: register(ports),
            server: server(directory.path(), ports),
            ports,
            directory,
        };
        wait(&this.address());
        Some(this)
    }

    /// Its URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("amqp://guest:guest@{}", self.address())
    }

    fn address(&self) -> String {
        format!("127.0.0.1:{}", self.ports[0])
    }

    /// Kills the server as a lost machine would, and starts it again with what it had written.
    ///
    /// # Panics
    /// It does not come up again.
    pub fn kill_and_start_again(&mut self) {
        self.kill();
        self.register = register(self.ports);
        self.server = server(self.directory.path(), self.ports);
        wait(&self.address());
    }

    fn kill(&mut self) {
        for child in [&mut self.server, &mut self.register] {
            drop(child.kill());
            drop(child.wait());
        }
    }
}

impl Drop for TestRabbitMq {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Erlang's register of nodes, for this server alone.
fn register(ports: [u16; 3]) -> Child {
    Command::new("epmd")
        .args(["-address", "127.0.0.1", "-port", &ports[1].to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("epmd, which comes with rabbitmq-server")
}

fn server(directory: &Path, ports: [u16; 3]) -> Child {
    let configuration = format!(
        "listeners.tcp.1 = 127.0.0.1:{}\nlog.console = true\nlog.file = false\n",
        ports[0]
    );
    std::fs::write(directory.join("rabbitmq.conf"), configuration).expect("a file");
    std::fs::write(directory.join("enabled_plugins"), "[].\n").expect("a file");
    let log = std::fs::File::options()
        .create(true)
        .append(true)
        .open(directory.join("rabbitmq.log"))
        .expect("a log");
    Command::new(PROGRAM)
        .current_dir(directory)
        .process_group(0)
        .env("HOME", directory)
        .env("RUNNING_UNDER_SYSTEMD", "true")
        .env("RABBITMQ_CONF_ENV_FILE", "/dev/null")
        .env("RABBITMQ_CONFIG_FILE", directory.join("rabbitmq.conf"))
        .env(
            "RABBITMQ_ENABLED_PLUGINS_FILE",
            directory.join("enabled_plugins"),
        )
        .env("RABBITMQ_MNESIA_BASE", directory.join("data"))
        .env("RABBITMQ_LOG_BASE", directory.join("log"))
        .env("RABBITMQ_LOGS", "-")
        .env("RABBITMQ_NODENAME", "kiuas@localhost")
        .env("RABBITMQ_DIST_PORT", ports[2].to_string())
        .env("ERL_EPMD_PORT", ports[1].to_string())
        .env(
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS",
            "+S 1:1 +sbwt none -kernel inet_dist_use_interface {127,0,0,1}",
        )
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("a log"))
        .stderr(log)
        .spawn()
        .expect("rabbitmq-server")
}
