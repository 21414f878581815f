//! Starting servers under test, and waiting until they listen.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::Signal;

use crate::interrupt::Interrupt;
use crate::process::{Ending, Log, Service};

const START: Duration = Duration::from_secs(15);

/// Runs `command` as `name`, with its log in `directory`.
pub(super) fn service(
    name: &str,
    command: Command,
    directory: &Path,
    interrupt: &Interrupt,
) -> Result<Service> {
    let ending = Ending {
        signal: Signal::TERM,
        patience: Duration::from_secs(3),
    };
    let log = Log::Directory(directory.to_owned());
    Service::start(name, command, &log, ending, interrupt)
}

/// A port that was free a moment ago: the peers cannot tell which one they chose.
pub(super) fn free_port() -> Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).context("no port is free")?;
    Ok(listener.local_addr()?.port())
}

/// Returns when `service` listens on all `ports`.
pub(super) fn wait(
    service: &mut Service,
    ports: &[u16],
    directory: &Path,
    interrupt: &Interrupt,
) -> Result<()> {
    let begun = Instant::now();
    for port in ports {
        let address = SocketAddr::from(([127, 0, 0, 1], *port));
        while TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_err() {
            interrupt.check()?;
            if service.ended().is_some() || begun.elapsed() > START {
                bail!(
                    "{} does not listen on port {port}; its log is {}",
                    service.name(),
                    directory.join(format!("{}.log", service.name())).display()
                );
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    Ok(())
}
