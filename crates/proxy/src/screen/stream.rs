//! The reader itself.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::STAND_IN;
use super::framer::{Framer, Step};
use super::shared::{Gatekeeper, Turn};
use crate::gate::Refusal;
use crate::linger::Linger;
use crate::pulse::Pulse;

/// How much is asked for at a time while a head is incomplete.
const PIECE: usize = 4 * 1024;

/// A visitor's connection, screened.
#[derive(Debug)]
pub struct Screen<S> {
    io: S,
    framer: Framer,
    /// Bytes that were read and may not go on yet, but for the first `passed` ones.
    kept: BytesMut,
    passed: usize,
    /// A head was refused: nothing is read any more.
    closed: bool,
    /// A body was refused: the bytes before are handed over, then reading fails.
    broken: Option<Refusal>,
    at_end: bool,
    keeper: Arc<Gatekeeper>,
    pulse: Arc<Pulse>,
    linger: Linger,
    /// hyper has nothing left to write.
    flushed: bool,
}

impl<S> Screen<S> {
    /// Screens `io`, of which `kept` was read already.
    pub fn new(io: S, kept: BytesMut, keeper: Arc<Gatekeeper>, pulse: Arc<Pulse>) -> Self {
        Self {
            io,
            framer: Framer::default(),
            kept,
            passed: 0,
            closed: false,
            broken: None,
            at_end: false,
            keeper,
            pulse,
            linger: Linger::default(),
            flushed: true,
        }
    }

    fn refuse(&mut self, refusal: Refusal) {
        if !self.framer.is_at_boundary() {
            self.keeper.refuse_body(refusal);
            self.broken = Some(refusal);
            return;
        }
        self.keeper.refuse_head(refusal);
        self.pulse.head_ends();
        self.closed = true;
        self.kept = BytesMut::from(STAND_IN);
        self.passed = STAND_IN.len();
    }

    fn head_passed(&self) {
        self.keeper.head_passed(self.framer.is_undecided());
        self.pulse.head_ends();
    }

    /// Moves passed bytes to `out`; false if there are none.
    fn hand_over(&mut self, out: &mut ReadBuf<'_>) -> bool {
        let length = self.passed.min(out.remaining());
        if length == 0 {
            return false;
        }
        out.put_slice(self.kept.get(..length).unwrap_or_default());
        self.kept.advance(length);
        self.passed -= length;
        if self.kept.is_empty() {
            // An idle connection keeps no buffer.
            self.kept = BytesMut::new();
        }
        true
    }

    /// Steps through what is kept; true if something may be handed over or was dropped.
    fn examine_kept(&mut self) -> bool {
        if self.kept.is_empty() {
            return false;
        }
        match self.framer.step(&self.kept) {
            Step::Pass { length, head } => {
                self.passed = length;
                if head {
                    self.head_passed();
                }
                true
            }
            Step::Skip(length) => {
                self.kept.advance(length);
                true
            }
            Step::Need => {
                self.pulse.head_begins();
                false
            }
            Step::Hold => false,
            Step::Refuse(refusal) => {
                self.refuse(refusal);
                true
            }
        }
    }

    /// Steps through bytes that lie in hyper's buffer already, from `start` on; what may not go on is
    /// taken out again.
    fn examine_read(&mut self, out: &mut ReadBuf<'_>, start: usize) {
        let mut good = start;
        loop {
            let rest = out.filled().get(good..).unwrap_or_default();
            if rest.is_empty() {
                return;
            }
            match self.framer.step(rest) {
                Step::Pass { length, head } => {
                    good += length;
                    if head {
                        self.head_passed();
                    }
                }
                // Rare: dropped bytes are taken out of the way by way of `kept`.
                Step::Skip(length) => {
                    self.kept = BytesMut::from(rest.get(length..).unwrap_or_default());
                    out.set_filled(good);
                    return;
                }
                Step::Need | Step::Hold => {
                    if self.framer.is_at_boundary() {
                        self.pulse.head_begins();
                    }
                    self.kept = BytesMut::from(rest);
                    out.set_filled(good);
                    return;
                }
                Step::Refuse(refusal) => {
                    out.set_filled(good);
                    self.refuse(refusal);
                    return;
                }
            }
        }
    }
}

impl<S: AsyncRead + Unpin> Screen<S> {
    /// Reads more behind what is kept; the number of bytes, 0 at the end.
    fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let before = self.kept.len();
        self.kept.resize(before + PIECE, 0);
        let mut space = ReadBuf::new(self.kept.get_mut(before..).unwrap_or_default());
        let outcome = Pin::new(&mut self.io).poll_read(cx, &mut space);
        let read = space.filled().len();
        self.kept.truncate(before + read);
        ready!(outcome)?;
        Poll::Ready(Ok(read))
    }

    /// Waits for the answer to a request for a WebSocket.
    fn poll_turn(&mut self, cx: &Context<'_>) -> Poll<()> {
        self.keeper.register(cx.waker());
        match self.keeper.take_turn() {
            Turn::Undecided => Poll::Pending,
            turn => {
                self.framer.decide(turn == Turn::Granted);
                Poll::Ready(())
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Screen<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if out.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        loop {
            if this.hand_over(out) {
                return Poll::Ready(Ok(()));
            }
            if let Some(refusal) = this.broken {
                let error = io::Error::new(io::ErrorKind::InvalidData, refusal.name());
                return Poll::Ready(Err(error));
            }
            if this.closed {
                // Not the end: hyper would drop the answer.
                return Poll::Pending;
            }
            if this.framer.is_undecided() {
                ready!(this.poll_turn(cx));
            }
            if this.examine_kept() {
                continue;
            }
            if this.keeper.is_late() && this.framer.is_at_boundary() {
                if this.kept.is_empty() {
                    return Poll::Ready(Ok(()));
                }
                this.refuse(Refusal::SlowHead);
                continue;
            }
            this.keeper.register(cx.waker());
            if !this.kept.is_empty() {
                if ready!(this.poll_more(cx))? == 0 {
                    this.at_end = true;
                    return Poll::Ready(Ok(()));
                }
                continue;
            }
            let start = out.filled().len();
            ready!(Pin::new(&mut this.io).poll_read(cx, out))?;
            if out.filled().len() == start {
                this.at_end = true;
                return Poll::Ready(Ok(()));
            }
            this.examine_read(out, start);
            if out.filled().len() > start {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> Screen<S> {
    /// Before anything of hyper's: early hints whose place is here. Behind the rest of another answer
    /// there is none for them; they are forgotten.
    fn poll_hints(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let hints = self.keeper.hints();
        if !self.flushed {
            hints.forget();
        }
        self.flushed = false;
        if !hints.is_empty() {
            hints.write(&mut self.io, cx)?;
        }
        if hints.is_empty() {
            Poll::Ready(Ok(()))
        } else {
            self.flushed = true;
            Poll::Pending
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Screen<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(this.poll_hints(cx))?;
        this.pulse
            .writes(Pin::new(&mut this.io).poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(this.poll_hints(cx))?;
        this.pulse
            .writes(Pin::new(&mut this.io).poll_write_vectored(cx, pieces))
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        // hyper asks for this when it has written all it had.
        this.flushed = true;
        this.keeper.hints().write(&mut this.io, cx)?;
        this.pulse.writes(Pin::new(&mut this.io).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.at_end || this.framer.is_tunnel() {
            return Pin::new(&mut this.io).poll_shutdown(cx);
        }
        this.linger.poll_close(&mut this.io, cx)
    }
}
