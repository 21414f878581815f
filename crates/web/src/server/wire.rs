//! The socket of a connection, which learns of the poller only when it has to wait.
//!
//! A connection that brings one request, gets one answer and closes needs no registration with epoll:
//! its bytes are there when it is accepted. That saves two system calls and a wake-up.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::pin::Pin;
use std::task::{Context, Poll};

use kiuas_common::listener::Stream;
use rustix::net::{SendFlags, Shutdown};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The first read takes no more: its buffer is cleared before.
const FIRST_READ: usize = 4096;

#[derive(Debug)]
pub(super) enum Wire {
    /// Accepted, and never waited for.
    Fresh(Fresh),
    /// Registered with the event loop.
    Open(Stream),
    /// It could not be registered, and is closed.
    Closed,
}

#[derive(Debug)]
pub(super) struct Fresh {
    socket: OwnedFd,
    is_tcp: bool,
}

impl Wire {
    /// A socket that does not block and that nobody has registered.
    pub(super) fn fresh(socket: OwnedFd, is_tcp: bool) -> Self {
        Self::Fresh(Fresh { socket, is_tcp })
    }

    /// Tries to read without the poller; `None` if it has to wait, or is registered already.
    fn read_at_once(
        &mut self,
        attempt: impl FnOnce(&OwnedFd) -> rustix::io::Result<usize>,
    ) -> Option<io::Result<usize>> {
        let Self::Fresh(fresh) = self else {
            return None;
        };
        match attempt(&fresh.socket) {
            Err(rustix::io::Errno::WOULDBLOCK | rustix::io::Errno::INTR) => None,
            done => Some(done.map_err(io::Error::from)),
        }
    }

    /// Tries to send without asking the runtime, which knows of a socket that was just registered only
    /// after its next look at all of them: an answer that is there would wait for everybody whose turn
    /// comes before, and for ever behind one who holds the thread. `None` if it has to wait.
    fn send_at_once(
        &mut self,
        attempt: impl FnOnce(BorrowedFd<'_>) -> rustix::io::Result<usize>,
    ) -> Option<io::Result<usize>> {
        let socket = match self {
            Self::Fresh(fresh) => fresh.socket.as_fd(),
            Self::Open(stream) => (*stream).as_fd(),
            Self::Closed => return None,
        };
        match attempt(socket) {
            Err(rustix::io::Errno::WOULDBLOCK | rustix::io::Errno::INTR) => None,
            done => Some(done.map_err(io::Error::from)),
        }
    }

    fn registered(&mut self) -> io::Result<Pin<&mut Stream>> {
        if let Self::Fresh(_) = self
            && let Self::Fresh(fresh) = std::mem::replace(self, Self::Closed)
        {
            *self = Self::Open(fresh.register()?);
        }
        match self {
            Self::Open(stream) => Ok(Pin::new(stream)),
            Self::Fresh(_) | Self::Closed => Err(io::ErrorKind::NotConnected.into()),
        }
    }
}

impl Fresh {
    fn register(self) -> io::Result<Stream> {
        if self.is_tcp {
            let stream = std::net::TcpStream::from(self.socket);
            tokio::net::TcpStream::from_std(stream).map(Stream::Tcp)
        } else {
            let stream = std::os::unix::net::UnixStream::from(self.socket);
            tokio::net::UnixStream::from_std(stream).map(Stream::Unix)
        }
    }
}

impl From<Stream> for Wire {
    fn from(stream: Stream) -> Self {
        Self::Open(stream)
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let room = buffer.remaining().min(FIRST_READ);
        let read = this
            .read_at_once(|socket| rustix::io::read(socket, buffer.initialize_unfilled_to(room)));
        match read {
            Some(read) => Poll::Ready(read.map(|count| buffer.advance(count))),
            None => match this.registered() {
                Ok(stream) => stream.poll_read(cx, buffer),
                Err(error) => Poll::Ready(Err(error)),
            },
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let sent =
            this.send_at_once(|socket| rustix::net::send(socket, buffer, SendFlags::NOSIGNAL));
        match sent {
            Some(sent) => Poll::Ready(sent),
            None => match this.registered() {
                Ok(stream) => stream.poll_write(cx, buffer),
                Err(error) => Poll::Ready(Err(error)),
            },
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let sent = this.send_at_once(|socket| rustix::io::writev(socket, buffers));
        match sent {
            Some(sent) => Poll::Ready(sent),
            None => match this.registered() {
                Ok(stream) => stream.poll_write_vectored(cx, buffers),
                Err(error) => Poll::Ready(Err(error)),
            },
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Open(stream) => Pin::new(stream).poll_flush(cx),
            // A socket has no buffer of its own.
            Self::Fresh(_) | Self::Closed => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Open(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Fresh(fresh) => Poll::Ready(
                rustix::net::shutdown(&fresh.socket, Shutdown::Write).map_err(Into::into),
            ),
            Self::Closed => Poll::Ready(Ok(())),
        }
    }
}

#[cfg(test)]
mod tests;
