//! A connection as the HTTP service reads it, with a time limit on every head.
//!
//! actix-http limits the head of a connection's first request alone. A peer that stops in the middle of
//! a later one would hold its connection for ever: once bytes arrive between two requests, the next
//! request must begin in time.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use super::wire::Wire;
use crate::boundary::Peer;
use crate::load::Pulse;

/// The beginning of a head, and when it must be complete.
struct Head {
    begun_before: u64,
    deadline: Pin<Box<Sleep>>,
}

pub(crate) struct Connection {
    wire: Wire,
    peer: Peer,
    pulse: Rc<Pulse>,
    limit: Duration,
    head: Option<Head>,
}

impl Connection {
    pub(super) fn new(wire: Wire, peer: Option<SocketAddr>, limit: Duration) -> Self {
        Self {
            wire,
            peer: Peer::at(peer),
            pulse: Rc::default(),
            limit,
            head: None,
        }
    }

    /// The connection of our own readiness probe.
    pub(super) fn probe(wire: Wire, limit: Duration) -> Self {
        Self {
            peer: Peer::probe(),
            ..Self::new(wire, None, limit)
        }
    }

    pub(crate) fn peer(&self) -> Peer {
        self.peer
    }

    pub(crate) fn pulse(&self) -> Rc<Pulse> {
        Rc::clone(&self.pulse)
    }

    /// Bytes have arrived: a new head begins if no request is in flight.
    fn arrived(&mut self) {
        let begun = self.pulse.begun();
        let waits = self
            .head
            .as_ref()
            .is_some_and(|head| head.begun_before == begun);
        // The first head is actix-http's, which answers 408.
        if begun > 0 && self.pulse.is_idle() && !waits {
            self.head = Some(Head {
                begun_before: begun,
                deadline: Box::pin(tokio::time::sleep(self.limit)),
            });
        }
    }

    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(head) = &mut self.head else {
            return Poll::Pending;
        };
        if head.begun_before != self.pulse.begun() {
            self.head = None;
            return Poll::Pending;
        }
        match head.deadline.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "the head of a request did not arrive in time",
            ))),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        match Pin::new(&mut this.wire).poll_read(cx, buffer) {
            Poll::Ready(Ok(())) => {
                if buffer.filled().len() > before {
                    this.arrived();
                } else if buffer.remaining() > 0 {
                    this.pulse.mark_gone();
                }
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => {
                this.pulse.mark_gone();
                Poll::Ready(Err(error))
            }
            Poll::Pending => this.poll_head(cx),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().wire).poll_write(cx, buffer)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().wire).poll_write_vectored(cx, buffers)
    }

    fn is_write_vectored(&self) -> bool {
        self.wire.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().wire).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().wire).poll_shutdown(cx)
    }
}
