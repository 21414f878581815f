//! The listening sockets, opened once and inherited by whatever version of a component runs.

use std::fs;
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use command_fds::{CommandFdExt, FdMapping};
use socket2::{Domain, Protocol, Socket, Type};

use super::Component;
use super::holder;

const BACKLOG: i32 = 4096;
/// The first inherited descriptor, as `sd_listen_fds(3)` has it.
const FIRST: i32 = 3;

/// The sockets of one stack.
#[derive(Debug)]
pub(crate) struct Sockets {
    http: Option<TcpListener>,
    https: Option<TcpListener>,
    web: UnixListener,
    web_path: PathBuf,
}

impl Sockets {
    /// Opens all of them; the application's in `runtime`.
    pub(crate) fn open(http: SocketAddr, https: SocketAddr, runtime: &Path) -> Result<Self> {
        let web_path = runtime.join("web.sock");
        drop(fs::remove_file(&web_path));
        Ok(Self {
            http: Some(front(http, "--http")?),
            https: Some(front(https, "--https")?),
            web: UnixListener::bind(&web_path)
                .with_context(|| format!("cannot listen on {}", web_path.display()))?,
            web_path,
        })
    }

    /// Where HTTP is answered, with the port that the kernel chose for port 0.
    pub(crate) fn http_address(&self) -> Result<SocketAddr> {
        address(self.http.as_ref())
    }

    /// Where HTTPS is answered.
    pub(crate) fn https_address(&self) -> Result<SocketAddr> {
        address(self.https.as_ref())
    }

    /// Where the application is answered by its pool.
    pub(crate) fn web_path(&self) -> &Path {
        &self.web_path
    }

    /// Lets go of the fronts, so that new visitors are refused instead of waiting for nobody.
    pub(crate) fn close_fronts(&mut self) {
        self.http = None;
        self.https = None;
    }

    /// Makes `command` inherit what `component` serves.
    pub(super) fn hand_over(&self, component: Component, command: &mut Command) -> Result<()> {
        let sockets: Vec<(&str, io::Result<OwnedFd>)> = match component {
            Component::Web => vec![("web", self.web.try_clone().map(OwnedFd::from))],
            Component::Proxy => [("http", &self.http), ("https", &self.https)]
                .into_iter()
                .filter_map(|(name, front)| {
                    let copy = front.as_ref()?.try_clone();
                    Some((name, copy.map(OwnedFd::from)))
                })
                .collect(),
            Component::Worker | Component::Beat => Vec::new(),
        };
        if sockets.is_empty() {
            // What xtask itself inherited is nothing to them.
            command
                .env_remove("LISTEN_FDS")
                .env_remove("LISTEN_FDNAMES");
            return Ok(());
        }
        let names: Vec<_> = sockets.iter().map(|(name, _)| *name).collect();
        command.env("LISTEN_FDS", names.len().to_string());
        command.env("LISTEN_FDNAMES", names.join(":"));
        let mappings = (FIRST..)
            .zip(sockets)
            .map(|(child_fd, (_, parent_fd))| {
                Ok(FdMapping {
                    parent_fd: parent_fd?,
                    child_fd,
                })
            })
            .collect::<io::Result<Vec<_>>>()
            .context("cannot copy a listening socket")?;
        command
            .fd_mappings(mappings)
            .context("cannot hand over the listening sockets")?;
        Ok(())
    }
}

fn address(front: Option<&TcpListener>) -> Result<SocketAddr> {
    front
        .context("the socket is closed")?
        .local_addr()
        .context("cannot tell the address of a listening socket")
}

/// One front. `flag` is how to choose another address.
fn front(address: SocketAddr, flag: &str) -> Result<TcpListener> {
    match listen(address) {
        Ok(listener) => Ok(listener),
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            let holder = holder::of_port(address.port())
                .map_or_else(|| "another process".to_owned(), |holder| holder.to_string());
            bail!(
                "port {} is taken by {holder}; choose another with `{flag} {}:PORT`",
                address.port(),
                address.ip()
            )
        }
        Err(error) if error.kind() == ErrorKind::PermissionDenied => bail!(
            "not allowed to listen on {address}; choose a port above 1023 with `{flag} {}:PORT`",
            address.ip()
        ),
        Err(error) => Err(error).with_context(|| {
            format!("cannot listen on {address}; choose another address with `{flag}`")
        }),
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}
