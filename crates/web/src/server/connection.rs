//! A connection as the HTTP service reads and writes it, with a time limit on every head and on a client
//! that takes nothing of its answer.
//!
//! actix-http limits the head of a connection's first request alone. A peer that stops in the middle of
//! a later one would hold its connection for ever: once bytes arrive between two requests, the next
//! request must begin in time.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use super::wire::Wire;
use crate::boundary::{Measures, Peer, Side};
use crate::load::Pulse;
use crate::settings::WebSettings;
use crate::stall::Stall;

/// The beginning of a head, and when it must be complete.
struct Head {
    begun_before: u64,
    deadline: Pin<Box<Sleep>>,
}

/// What all connections of a thread are held to.
pub(super) struct Bounds {
    head: Duration,
    send: Duration,
    measures: Measures,
}

impl Bounds {
    pub(super) fn of(settings: &WebSettings, measures: Measures) -> Rc<Self> {
        Rc::new(Self {
            head: settings.head_timeout.duration(),
            send: settings.send_timeout.duration(),
            measures,
        })
    }
}

pub(crate) struct Connection {
    wire: Wire,
    peer: Peer,
    pulse: Rc<Pulse>,
    bounds: Rc<Bounds>,
    head: Option<Head>,
    /// The client that takes nothing.
    stall: Stall,
}

impl Connection {
    pub(super) fn new(wire: Wire, peer: Option<SocketAddr>, bounds: &Rc<Bounds>) -> Self {
        Self {
            wire,
            peer: Peer::at(peer),
            pulse: Rc::default(),
            bounds: Rc::clone(bounds),
            head: None,
            stall: Stall::new(bounds.send),
        }
    }

    /// The connection of our own readiness probe.
    pub(super) fn probe(wire: Wire, bounds: &Rc<Bounds>) -> Self {
        Self {
            peer: Peer::probe(),
            ..Self::new(wire, None, bounds)
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
                deadline: Box::pin(tokio::time::sleep(self.bounds.head)),
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

    /// What came of a try to send: an error if the client has taken nothing for too long.
    fn sent(
        &mut self,
        cx: &mut Context<'_>,
        sent: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if sent.is_ready() {
            self.stall.went_on();
            return sent;
        }
        ready!(self.stall.poll(cx));
        self.bounds.measures.stalled(Side::Client);
        Poll::Ready(Err(io::Error::new(
            io::ErrorKind::TimedOut,
            "the client took nothing of its answer for `web.send_timeout`",
        )))
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
        let this = self.get_mut();
        let sent = Pin::new(&mut this.wire).poll_write(cx, buffer);
        this.sent(cx, sent)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let sent = Pin::new(&mut this.wire).poll_write_vectored(cx, buffers);
        this.sent(cx, sent)
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
