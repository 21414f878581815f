//! Listening sockets: bound here, or inherited from whoever started us.
//!
//! Inheritance follows systemd (`sd_listen_fds(3)`): descriptors 3, 4, … counted by `LISTEN_FDS` and
//! named by `LISTEN_FDNAMES` (colon-separated). `LISTEN_PID` is not checked: a supervisor cannot know
//! the pid before fork, and our own children are started with exactly these descriptors.

mod accept;
mod address;
mod closing;
mod inherit;
mod stream;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use socket2::{Domain, Protocol, SockRef, Socket, Type};

pub use accept::{SocketFile, accept_private};
pub use address::Address;
pub use closing::{LAST_HANDSHAKES, let_nobody_in};
pub use inherit::{Inherited, inherited, take};
pub use stream::{Stream, TokioListener};

/// Length of the accept queue asked for; the kernel caps it at `net.core.somaxconn`.
pub const BACKLOG: i32 = 4096;

/// What a listening socket is like.
#[derive(Debug, Clone, Copy)]
pub struct Binding {
    /// Length of the accept queue; the kernel caps it at `net.core.somaxconn`.
    pub backlog: i32,
    /// Mode of a Unix socket.
    pub mode: u32,
    /// Owner of a Unix socket; if none, this process's.
    pub user: Option<u32>,
    /// Group of a Unix socket; if none, this process's.
    pub group: Option<u32>,
}

impl Default for Binding {
    /// As long a queue as [`BACKLOG`]; owner and group may connect: the proxy and the application share a
    /// group.
    fn default() -> Self {
        Self {
            backlog: BACKLOG,
            mode: 0o660,
            user: None,
            group: None,
        }
    }
}

/// What can go wrong with a listening socket.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ListenerError {
    /// The text is neither `HOST:PORT` nor `unix:/path`.
    #[error("`{text}` is no address: write `HOST:PORT`, `[IPv6]:PORT` or `unix:/path/to.sock`")]
    Address {
        /// What was given.
        text: String,
    },
    /// The socket could not be opened.
    #[error("cannot listen on {address}{}", hint(.source, .address))]
    Bind {
        /// Where.
        address: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// `LISTEN_FDS` or a descriptor behind it is not what it should be.
    #[error(
        "cannot take over the listening sockets announced by LISTEN_FDS={announced}: {problem}"
    )]
    Inherit {
        /// The variable's value.
        announced: String,
        /// What is wrong with it.
        problem: String,
    },
}

fn hint(source: &io::Error, address: &str) -> String {
    match source.kind() {
        io::ErrorKind::AddrInUse => format!(
            ": another process already uses it (see `ss -ltnp`), choose another address than {address}"
        ),
        io::ErrorKind::NotFound => ": its directory does not exist, create it first".to_owned(),
        io::ErrorKind::PermissionDenied => {
            ": not allowed (ports below 1024 need CAP_NET_BIND_SERVICE)".to_owned()
        }
        _ => String::new(),
    }
}

/// A listening socket.
#[derive(Debug)]
pub enum Listener {
    /// TCP.
    Tcp(TcpListener),
    /// Unix stream.
    Unix(UnixListener),
}

impl Listener {
    /// Opens a listening socket. A Unix socket left behind by a dead process is replaced; one that
    /// still answers is not.
    ///
    /// # Errors
    /// [`ListenerError::Bind`] says where and why.
    pub fn bind(address: &Address) -> Result<Self, ListenerError> {
        Self::bind_as(address, Binding::default())
    }

    /// Opens a listening socket with such a queue and such an owner, under the same rules as
    /// [`Listener::bind`].
    ///
    /// # Errors
    /// [`ListenerError::Bind`] says where and why.
    pub fn bind_as(address: &Address, binding: Binding) -> Result<Self, ListenerError> {
        let bound = match address {
            Address::Tcp(address) => bind_tcp(*address, binding.backlog).map(Self::Tcp),
            Address::Unix(path) => bind_unix(path, binding).map(Self::Unix),
        };
        bound.map_err(|source| ListenerError::Bind {
            address: address.to_string(),
            source,
        })
    }

    /// Opens a Unix socket that its owner alone may connect to (mode 0600), under the same rules as
    /// [`Listener::bind`].
    ///
    /// # Errors
    /// [`ListenerError::Bind`] says where and why.
    pub fn bind_private(path: &Path) -> Result<Self, ListenerError> {
        let binding = Binding {
            mode: 0o600,
            ..Binding::default()
        };
        bind_unix(path, binding)
            .map(Self::Unix)
            .map_err(|source| ListenerError::Bind {
                address: format!("unix:{}", path.display()),
                source,
            })
    }

    /// The address, with the port that the kernel chose.
    ///
    /// # Errors
    /// The kernel does not say, or the Unix socket has no path.
    pub fn local_address(&self) -> io::Result<Address> {
        match self {
            Self::Tcp(listener) => listener.local_addr().map(Address::Tcp),
            Self::Unix(listener) => listener
                .local_addr()?
                .as_pathname()
                .map(|path| Address::Unix(path.to_owned()))
                .ok_or_else(|| io::Error::other("the Unix socket has no path")),
        }
    }

    /// A second handle on the same socket: both accept from one queue.
    ///
    /// # Errors
    /// No descriptor is left.
    pub fn try_clone(&self) -> io::Result<Self> {
        match self {
            Self::Tcp(listener) => listener.try_clone().map(Self::Tcp),
            Self::Unix(listener) => listener.try_clone().map(Self::Unix),
        }
    }

    /// The same socket for use inside a tokio runtime.
    ///
    /// # Errors
    /// The descriptor cannot be registered with the runtime's poller.
    pub fn into_tokio(self) -> io::Result<TokioListener> {
        match self {
            Self::Tcp(listener) => {
                listener.set_nonblocking(true)?;
                // Accepted connections inherit it (tcp(7)): no call for each of them.
                SockRef::from(&listener).set_tcp_nodelay(true)?;
                tokio::net::TcpListener::from_std(listener).map(TokioListener::Tcp)
            }
            Self::Unix(listener) => {
                listener.set_nonblocking(true)?;
                tokio::net::UnixListener::from_std(listener).map(TokioListener::Unix)
            }
        }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(listener) => listener.as_fd(),
            Self::Unix(listener) => listener.as_fd(),
        }
    }
}

impl AsRawFd for Listener {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl From<Listener> for OwnedFd {
    fn from(listener: Listener) -> Self {
        match listener {
            Listener::Tcp(listener) => listener.into(),
            Listener::Unix(listener) => listener.into(),
        }
    }
}

fn bind_tcp(address: SocketAddr, backlog: i32) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        // `[::]:80` means IPv6 alone; IPv4 has its own socket, so that both can be told apart.
        socket.set_only_v6(true)?;
    }
    socket.bind(&address.into())?;
    socket.listen(backlog)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// Owner and mode are set between bind(2) and listen(2), when nobody can connect yet.
fn bind_unix(path: &Path, binding: Binding) -> io::Result<UnixListener> {
    remove_dead_socket(path)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.bind(&socket2::SockAddr::unix(path)?)?;
    std::os::unix::fs::chown(path, binding.user, binding.group)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(binding.mode))?;
    socket.listen(binding.backlog)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

fn remove_dead_socket(path: &Path) -> io::Result<()> {
    match std::fs::symlink_metadata(path) {
        Ok(metadata) if metadata.file_type().is_socket() => {
            if UnixStream::connect(path).is_ok() {
                return Err(io::ErrorKind::AddrInUse.into());
            }
            std::fs::remove_file(path)
        }
        Ok(_) => Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            "a file that is no socket is in the way",
        )),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Says on standard output where a service listens: `listening NAME ADDRESS`, one line a socket.
/// Tests and `xtask dev` read these lines; do not change their form.
pub fn announce(name: &str, address: &Address) {
    use io::Write;
    let mut output = io::stdout().lock();
    // A closed standard output is no reason to stop serving.
    drop(writeln!(output, "listening {name} {address}").and_then(|()| output.flush()));
}

#[cfg(test)]
mod tests;
