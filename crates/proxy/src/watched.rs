//! The connection under HTTP/2: gathers what is written in one turn of its task, stamps whether the
//! visitor reads, and closes with patience.
//!
//! h2 writes and flushes frame by frame, which over TLS makes a record and a system call of each. Here
//! a write only fills a buffer; whoever drives the connection calls [`Turn::end`] after each poll of it,
//! and one write takes everything that the turn produced. Nothing can be forgotten: a turn always ends,
//! and a full buffer is written at once.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::linger::Linger;
use crate::pulse::Pulse;

/// So much is gathered before it must go out: four records of TLS.
const MOST: usize = 64 * 1024;
/// Buffers that a thread keeps for the next turn of any connection.
const MOST_BUFFERS: usize = 16;

thread_local! {
    static BUFFERS: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// A connection whose writes are gathered and watched.
#[derive(Debug)]
pub struct Watched<S>(Rc<RefCell<Gathering<S>>>);

/// Ends the turns of a [`Watched`] connection.
#[derive(Debug)]
pub struct Turn<S>(Rc<RefCell<Gathering<S>>>);

#[derive(Debug)]
struct Gathering<S> {
    io: S,
    pulse: Arc<Pulse>,
    linger: Linger,
    /// Written from `sent` on; without memory between turns.
    gathered: Vec<u8>,
    sent: usize,
    /// What [`Turn::end`] ran into: the next write reports it.
    failed: Option<io::Error>,
}

impl<S> Watched<S> {
    /// Watches `io`. Nothing is written but by [`Turn::end`] or for want of room.
    pub fn new(io: S, pulse: Arc<Pulse>) -> (Self, Turn<S>) {
        let gathering = Rc::new(RefCell::new(Gathering {
            io,
            pulse,
            linger: Linger::default(),
            gathered: Vec::new(),
            sent: 0,
            failed: None,
        }));
        (Self(Rc::clone(&gathering)), Turn(gathering))
    }
}

impl<S: AsyncWrite + Unpin> Turn<S> {
    /// Writes what was gathered. If the visitor does not take it all, `cx` is woken when he does.
    pub fn end(&self, cx: &mut Context<'_>) {
        let mut gathering = self.0.borrow_mut();
        if gathering.failed.is_none()
            && let Poll::Ready(Err(error)) = gathering.poll_write_out(cx)
        {
            gathering.failed = Some(error);
            // Somebody must come and hear of it.
            cx.waker().wake_by_ref();
        }
    }
}

impl<S: AsyncWrite + Unpin> Gathering<S> {
    fn poll_write_out(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let rest = self.gathered.get(self.sent..).unwrap_or_default();
            if rest.is_empty() {
                break;
            }
            let outcome = Pin::new(&mut self.io).poll_write(cx, rest);
            match ready!(self.pulse.writes(outcome))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.sent += written,
            }
        }
        if self.gathered.capacity() > 0 {
            give_back(std::mem::take(&mut self.gathered));
            self.sent = 0;
        }
        self.pulse.writes(Pin::new(&mut self.io).poll_flush(cx))
    }

    /// Room for at least one byte.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if let Some(error) = self.failed.take() {
            return Poll::Ready(Err(error));
        }
        if self.gathered.len() >= MOST {
            ready!(self.poll_write_out(cx))?;
        }
        if self.gathered.capacity() == 0 {
            self.gathered = BUFFERS.with_borrow_mut(Vec::pop).unwrap_or_default();
        }
        Poll::Ready(Ok(MOST - self.gathered.len()))
    }
}

fn give_back(mut buffer: Vec<u8>) {
    buffer.clear();
    BUFFERS.with_borrow_mut(|buffers| {
        if buffers.len() < MOST_BUFFERS {
            buffers.push(buffer);
        }
    });
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut gathering = self.0.borrow_mut();
        if let Some(error) = gathering.failed.take() {
            return Poll::Ready(Err(error));
        }
        Pin::new(&mut gathering.io).poll_read(cx, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[io::IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut gathering = self.0.borrow_mut();
        let room = ready!(gathering.poll_room(cx))?;
        let mut taken = 0;
        for piece in pieces {
            let length = piece.len().min(room - taken);
            let part = piece.get(..length).unwrap_or_default();
            gathering.gathered.extend_from_slice(part);
            taken += length;
        }
        Poll::Ready(Ok(taken))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// The turn's end does it.
    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.0.borrow_mut().failed.take() {
            Some(error) => Poll::Ready(Err(error)),
            None => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut gathering = self.0.borrow_mut();
        ready!(gathering.poll_write_out(cx))?;
        let Gathering { io, linger, .. } = &mut *gathering;
        linger.poll_close(io, cx)
    }
}

#[cfg(test)]
mod tests;
