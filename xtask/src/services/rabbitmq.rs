//! A private RabbitMQ server: ports of its own on the loopback address, a password of its own.
//!
//! It is a node of no cluster, with an `epmd` of its own: Erlang's register of nodes, which otherwise is
//! one for the whole machine and outlives whoever started it.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::Signal;

use super::{Durability, Place, make_directory, orphan, server};
use crate::process::{Ending, Service, find, is_executable};

/// Debian's; its namesake in `/usr/sbin` would change to another account.
const PROGRAM: &str = "/usr/lib/rabbitmq/bin/rabbitmq-server";
/// An Erlang system takes ten seconds where it has a core to itself.
const START: Duration = Duration::from_secs(120);
const ANSWER: Duration = Duration::from_secs(1);
const USER: &str = "kiuas";
/// Queues and their messages are written when they end in order.
const IN_ORDER: Ending = Ending {
    signal: Signal::TERM,
    patience: Duration::from_secs(30),
};
const AT_ONCE: Ending = Ending {
    signal: Signal::KILL,
    patience: Duration::from_secs(10),
};

/// A running server, or one that is about to be.
#[derive(Debug)]
pub(crate) struct RabbitMq {
    service: Service,
    // After the server, which uses it.
    register: Service,
    ports: Ports,
    password: String,
}

/// The ports of a server; the same after it was started anew.
#[derive(Debug, Clone, Copy)]
struct Ports {
    amqp: u16,
    register: u16,
    nodes: u16,
}

impl RabbitMq {
    /// True where the server's programs are.
    pub(crate) fn is_installed() -> bool {
        is_executable(Path::new(PROGRAM)) && find("epmd").is_some()
    }

    /// Starts the server of `place`; [`RabbitMq::wait`] tells when it answers.
    pub(crate) fn start(place: &Place) -> Result<Self> {
        Self::start_at(place, Ports::free()?)
    }

    /// Starts it once more after it has ended, where it was before.
    pub(crate) fn start_again(&mut self, place: &Place) -> Result<()> {
        // Its port is taken otherwise.
        self.register.stop();
        *self = Self::start_at(place, self.ports)?;
        Ok(())
    }

    fn start_at(place: &Place, ports: Ports) -> Result<Self> {
        let Some(register) = find("epmd").filter(|_| Self::is_installed()) else {
            bail!("RabbitMQ is not installed: there is no {PROGRAM}, or no `epmd` in PATH");
        };
        let home = place.checkout.state(place.purpose)?.join("rabbitmq");
        let pid_file = home.join("pid");
        let mark = home.display().to_string();
        orphan::clear(&pid_file, &mark, Signal::KILL, &place.interrupt)?;
        place.prepare(&home)?;
        make_directory(&home, None)?;
        let password = password(&home.join("password"))?;
        write(
            &home.join("rabbitmq.conf"),
            &configuration(ports, &password),
        )?;
        write(&home.join("enabled_plugins"), "[].\n")?;
        let mut command = server(&register, "KILL", None);
        let port = ports.register.to_string();
        command.args(["-address", "127.0.0.1", "-port", &port]);
        let register = Service::start("epmd", command, &place.log, AT_ONCE, &place.interrupt)?;
        let mut command = server(Path::new(PROGRAM), "KILL", None);
        surround(&mut command, &home, ports);
        let ending = match place.durability {
            Durability::Kept => IN_ORDER,
            Durability::Scratch => AT_ONCE,
        };
        let service = Service::start("rabbitmq", command, &place.log, ending, &place.interrupt)?;
        write(&pid_file, &service.id().to_string())?;
        Ok(Self {
            service,
            register,
            ports,
            password,
        })
    }

    /// Waits until it answers.
    pub(crate) fn wait(&mut self, place: &Place) -> Result<()> {
        place.interrupt.wait("starting RabbitMQ", START, || {
            if let Some(status) = self.service.ended() {
                bail!("RabbitMQ ended at its start ({status})");
            }
            Ok(answers(self.ports.amqp))
        })
    }

    /// Its URL, for the virtual host `/`.
    pub(crate) fn url(&self) -> String {
        format!(
            "amqp://{USER}:{}@127.0.0.1:{}",
            self.password, self.ports.amqp
        )
    }

    /// The server's process, to watch.
    pub(crate) fn service(&mut self) -> &mut Service {
        &mut self.service
    }

    /// Both processes, to stop: the server first.
    pub(crate) fn services(&mut self) -> [&mut Service; 2] {
        [&mut self.service, &mut self.register]
    }
}

impl Ports {
    /// Three that are free now.
    fn free() -> Result<Self> {
        let listen = || TcpListener::bind(("127.0.0.1", 0)).context("no free port for RabbitMQ");
        let taken = [listen()?, listen()?, listen()?];
        let [amqp, register, nodes] = taken.map(|listener| listener.local_addr());
        Ok(Self {
            amqp: amqp?.port(),
            register: register?.port(),
            nodes: nodes?.port(),
        })
    }
}

/// The environment in which the server is nobody else's.
fn surround(command: &mut Command, home: &Path, ports: Ports) {
    for (name, _) in std::env::vars_os() {
        let name_bytes = name.as_encoded_bytes();
        if name_bytes.starts_with(b"RABBITMQ_") || name_bytes.starts_with(b"ERL_") {
            command.env_remove(name);
        }
    }
    command
        // The cookie of Erlang's nodes is there.
        .env("HOME", home)
        // Not a child of a shell that would have to pass signals on.
        .env("RUNNING_UNDER_SYSTEMD", "true")
        .env("RABBITMQ_CONF_ENV_FILE", "/dev/null")
        .env("RABBITMQ_CONFIG_FILE", home.join("rabbitmq.conf"))
        .env(
            "RABBITMQ_ENABLED_PLUGINS_FILE",
            home.join("enabled_plugins"),
        )
        .env("RABBITMQ_MNESIA_BASE", home.join("data"))
        .env("RABBITMQ_LOG_BASE", home.join("log"))
        .env("RABBITMQ_LOGS", "-")
        .env("RABBITMQ_NODENAME", "kiuas@localhost")
        .env("RABBITMQ_DIST_PORT", ports.nodes.to_string())
        .env("ERL_EPMD_PORT", ports.register.to_string())
        // One thread that sleeps when there is nothing to do: others need the machine, too.
        .env(
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS",
            "+S 1:1 +sbwt none -kernel inet_dist_use_interface {127,0,0,1}",
        );
}

fn configuration(ports: Ports, password: &str) -> String {
    format!(
        "listeners.tcp.1 = 127.0.0.1:{}\n\
         default_user = {USER}\n\
         default_pass = {password}\n\
         log.console = true\n\
         log.console.level = warning\n\
         log.file = false\n\
         disk_free_limit.absolute = 50MB\n",
        ports.amqp
    )
}

/// The password in `file`, or a new one: it is written in the server's data at its first start.
fn password(file: &Path) -> Result<String> {
    if let Ok(password) = fs::read_to_string(file) {
        return Ok(password);
    }
    let mut random = [0; 16];
    fs::File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut random))
        .context("cannot make a password")?;
    let password: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    write(file, &password)?;
    Ok(password)
}

/// Writes a file that nobody else reads.
fn write(file: &Path, text: &str) -> Result<()> {
    fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(file)
        .and_then(|mut opened| opened.write_all(text.as_bytes()))
        .with_context(|| format!("cannot write {}", file.display()))
}

/// The server listens before it knows its users; one that greets knows them.
fn answers(port: u16) -> bool {
    let greeting = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(ANSWER))?;
        stream.write_all(b"AMQP\x00\x00\x09\x01")?;
        let mut first = [0];
        stream.read_exact(&mut first)?;
        // A method frame: Connection.Start.
        Ok(first == [1])
    };
    greeting().unwrap_or(false)
}
