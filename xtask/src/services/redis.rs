//! A private Redis server: one Unix socket, no port.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, bail};
use rustix::process::Signal;

use super::{Durability, Place, make_directory, orphan, server};
use crate::process::{Ending, Service, find};

/// Loading a long append-only file may take a while.
const START: Duration = Duration::from_secs(30);
const ANSWER: Duration = Duration::from_secs(1);
const ENDING: Ending = Ending {
    signal: Signal::TERM,
    patience: Duration::from_secs(10),
};

/// A running server.
#[derive(Debug)]
pub(crate) struct Redis {
    service: Service,
    socket: PathBuf,
}

impl Redis {
    /// Starts the server of `place` and waits until it answers.
    pub(crate) fn start(place: &Place) -> Result<Self> {
        let Some(program) = find("redis-server") else {
            bail!("redis-server is not in PATH");
        };
        let data = place.checkout.state(place.purpose)?.join("redis");
        let pid_file = data.join("redis.pid");
        orphan::clear(&pid_file, "redis-server", Signal::TERM, &place.interrupt)?;
        place.prepare(&data)?;
        make_directory(&data, None)?;
        let socket = place.runtime.path().join("redis.sock");
        let mut command = server(&program, "TERM", None);
        command.args(["--port", "0", "--daemonize", "no", "--loglevel", "warning"]);
        command.args(["--save", "", "--appendonly"]);
        command.arg(match place.durability {
            Durability::Kept => "yes",
            Durability::Scratch => "no",
        });
        command.arg("--dir").arg(&data);
        command.arg("--pidfile").arg(&pid_file);
        command.arg("--unixsocket").arg(&socket);
        command.args(["--unixsocketperm", "700"]);
        let service = Service::start("redis", command, &place.log, ENDING, &place.interrupt)?;
        let mut this = Self { service, socket };
        place.interrupt.wait("starting Redis", START, || {
            if let Some(status) = this.service.ended() {
                bail!("Redis ended at its start ({status})");
            }
            Ok(answers(&this.socket))
        })?;
        Ok(this)
    }

    /// Its URL, without a database number.
    pub(crate) fn url(&self) -> String {
        format!("redis+unix://{}", self.socket.display())
    }

    /// The process, to watch and to stop.
    pub(crate) fn service(&mut self) -> &mut Service {
        &mut self.service
    }
}

/// While it loads its data, Redis accepts connections and answers with an error.
fn answers(socket: &Path) -> bool {
    let ping = || -> std::io::Result<bool> {
        let mut stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(ANSWER))?;
        stream.write_all(b"PING\r\n")?;
        let mut answer = [0; 7];
        stream.read_exact(&mut answer)?;
        Ok(&answer == b"+PONG\r\n")
    };
    ping().unwrap_or(false)
}
