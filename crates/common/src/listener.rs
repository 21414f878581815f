//! Listening sockets: bound here, or inherited from whoever started us.
//!
//! Inheritance follows systemd (`sd_listen_fds(3)`): descriptors 3, 4, … counted by `LISTEN_FDS` and
//! named by `LISTEN_FDNAMES` (colon-separated). `LISTEN_PID` is not checked: a supervisor cannot know
//! the pid before fork, and our own children are started with exactly these descriptors.
//!
//! This is the one module of the workspace that turns raw descriptors into owned ones.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use serde::{Deserialize, Serialize};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Length of the accept queue asked for; the kernel caps it at `net.core.somaxconn`.
pub const BACKLOG: i32 = 4096;

const FIRST_INHERITED: i32 = 3;
const MOST_INHERITED: usize = 64;

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
        io::ErrorKind::PermissionDenied => {
            ": not allowed (ports below 1024 need CAP_NET_BIND_SERVICE)".to_owned()
        }
        _ => String::new(),
    }
}

/// Where a listener listens or a client connects.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Address {
    /// `HOST:PORT`. Port 0 lets the kernel choose.
    Tcp(SocketAddr),
    /// `unix:/path`.
    Unix(PathBuf),
}

impl FromStr for Address {
    type Err = ListenerError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(path) = text.strip_prefix("unix:") {
            if path.is_empty() {
                return Err(ListenerError::Address {
                    text: text.to_owned(),
                });
            }
            return Ok(Self::Unix(PathBuf::from(path)));
        }
        if let Ok(address) = text.parse() {
            return Ok(Self::Tcp(address));
        }
        // A name, such as a service's in Compose: the first address it resolves to.
        text.to_socket_addrs()
            .ok()
            .and_then(|mut found| found.next())
            .map(Self::Tcp)
            .ok_or_else(|| ListenerError::Address {
                text: text.to_owned(),
            })
    }
}

impl TryFrom<String> for Address {
    type Error = ListenerError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Address> for String {
    fn from(address: Address) -> Self {
        address.to_string()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
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
        let bound = match address {
            Address::Tcp(address) => bind_tcp(*address).map(Self::Tcp),
            Address::Unix(path) => bind_unix(path).map(Self::Unix),
        };
        bound.map_err(|source| ListenerError::Bind {
            address: address.to_string(),
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

impl From<Listener> for OwnedFd {
    fn from(listener: Listener) -> Self {
        match listener {
            Listener::Tcp(listener) => listener.into(),
            Listener::Unix(listener) => listener.into(),
        }
    }
}

fn bind_tcp(address: SocketAddr) -> io::Result<TcpListener> {
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
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

fn bind_unix(path: &Path) -> io::Result<UnixListener> {
    remove_dead_socket(path)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.bind(&socket2::SockAddr::unix(path)?)?;
    // Owner and group alone: the proxy and the application share a group.
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660))?;
    socket.listen(BACKLOG)?;
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

/// A listening socket inside a tokio runtime.
#[derive(Debug)]
pub enum TokioListener {
    /// TCP.
    Tcp(tokio::net::TcpListener),
    /// Unix stream.
    Unix(tokio::net::UnixListener),
}

impl TokioListener {
    /// The next connection and, for TCP, the peer's address. Nagle's algorithm is off.
    ///
    /// # Errors
    /// Transient failures of accept(2) (out of descriptors, connection reset in the queue): wait a
    /// little and call again.
    pub async fn accept(&self) -> io::Result<(Stream, Option<SocketAddr>)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                stream.set_nodelay(true)?;
                Ok((Stream::Tcp(stream), Some(peer)))
            }
            Self::Unix(listener) => {
                let (stream, _) = listener.accept().await?;
                Ok((Stream::Unix(stream), None))
            }
        }
    }
}

/// A connection, TCP or Unix.
#[derive(Debug)]
pub enum Stream {
    /// TCP.
    Tcp(tokio::net::TcpStream),
    /// Unix stream.
    Unix(tokio::net::UnixStream),
}

impl Stream {
    /// Connects to `address`. The caller sets the deadline.
    ///
    /// # Errors
    /// Whatever connect(2) says.
    pub async fn connect(address: &Address) -> io::Result<Self> {
        match address {
            Address::Tcp(address) => {
                let stream = tokio::net::TcpStream::connect(address).await?;
                stream.set_nodelay(true)?;
                Ok(Self::Tcp(stream))
            }
            Address::Unix(path) => tokio::net::UnixStream::connect(path).await.map(Self::Unix),
        }
    }
}

macro_rules! delegate {
    ($self:ident, $method:ident $(, $argument:expr)*) => {
        match $self.get_mut() {
            Stream::Tcp(stream) => Pin::new(stream).$method($($argument),*),
            Stream::Unix(stream) => Pin::new(stream).$method($($argument),*),
        }
    };
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        delegate!(self, poll_read, cx, buffer)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        delegate!(self, poll_write, cx, buffer)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        delegate!(self, poll_write_vectored, cx, buffers)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        delegate!(self, poll_flush, cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        delegate!(self, poll_shutdown, cx)
    }
}

/// An inherited listening socket and the name its owner gave it (empty if none).
#[derive(Debug)]
pub struct Inherited {
    /// From `LISTEN_FDNAMES`.
    pub name: String,
    /// The socket.
    pub listener: Listener,
}

/// The listening sockets that the parent process handed over; none if it handed over none.
///
/// # Errors
/// [`ListenerError::Inherit`] if the announcement is malformed, a descriptor is no listening socket,
/// or the sockets were taken before.
pub fn inherited() -> Result<Vec<Inherited>, ListenerError> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    let Ok(announced) = std::env::var("LISTEN_FDS") else {
        return Ok(Vec::new());
    };
    let problem = |problem: String| ListenerError::Inherit {
        announced: announced.clone(),
        problem,
    };
    let count: usize = announced
        .parse()
        .map_err(|_| problem("it is no number".to_owned()))?;
    if count > MOST_INHERITED {
        return Err(problem(format!("at most {MOST_INHERITED} are supported")));
    }
    if TAKEN.swap(true, Ordering::SeqCst) {
        return Err(problem("they were taken before".to_owned()));
    }
    let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
    let mut names = names.split(':');
    (0..count)
        .map(|index| {
            let number = FIRST_INHERITED + i32::try_from(index).unwrap_or(i32::MAX);
            let listener =
                take(number).map_err(|error| problem(format!("descriptor {number}: {error}")))?;
            Ok(Inherited {
                name: names.next().unwrap_or_default().to_owned(),
                listener,
            })
        })
        .collect()
}

#[expect(
    unsafe_code,
    reason = "the one place where inherited descriptor numbers become owned descriptors"
)]
fn take(number: i32) -> io::Result<Listener> {
    use std::os::fd::FromRawFd;
    // SAFETY: the parent announced `number` as ours alone by LISTEN_FDS, `inherited` runs this once a
    // process for each number (guarded by TAKEN), and nothing in this process has opened or owns that
    // number: descriptors below FIRST_INHERITED + LISTEN_FDS were open before `main`. If the parent lied
    // and the number is closed, every call below fails with EBADF and the drop of the wrapper is the
    // only use; `fcntl_getfd` is asked first, through a borrow, so that such a number is never owned.
    let descriptor = unsafe {
        rustix::io::fcntl_getfd(BorrowedFd::borrow_raw(number))?;
        OwnedFd::from_raw_fd(number)
    };
    rustix::io::fcntl_setfd(&descriptor, rustix::io::FdFlags::CLOEXEC)?;
    let socket = Socket::from(descriptor);
    if !socket.is_listener()? {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is no listening socket",
        ));
    }
    socket.set_nonblocking(true)?;
    let domain = socket.domain()?;
    match domain {
        Domain::UNIX => Ok(Listener::Unix(socket.into())),
        Domain::IPV4 | Domain::IPV6 => Ok(Listener::Tcp(socket.into())),
        other => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("its domain {other:?} is neither Internet nor Unix"),
        )),
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
