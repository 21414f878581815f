//! What HTTP/2 lets a visitor do cheaply and us dearly: resets, provoked resets, CONTINUATION, empty
//! DATA, SETTINGS, PING, PRIORITY and `WINDOW_UPDATE` without need, unknown frames, windows kept shut.
//!
//! The frames are counted on their way to h2, before it spends anything on them. Whoever goes over a
//! limit gets GOAWAY with `ENHANCE_YOUR_CALM` (RFC 9113 7) and the end of the connection.
//!
//! Not here: what is wrong with a frame (h2 says so) or with a request ([`crate::gate`]).

mod budget;
mod follower;
#[cfg(test)]
mod tests;
mod watch;
mod windows;

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

pub use budget::Abuse;
pub use watch::Watch;

/// `ENHANCE_YOUR_CALM` (RFC 9113 7).
const ENHANCE_YOUR_CALM: u8 = 0xb;

/// GOAWAY. Its last stream is the highest there is: any request may have been processed, so that none is
/// repeated by mistake (RFC 9113 6.8).
const GOAWAY: [u8; 17] = [
    0,
    0,
    8,
    7,
    0,
    0,
    0,
    0,
    0,
    0x7f,
    0xff,
    0xff,
    0xff,
    0,
    0,
    0,
    ENHANCE_YOUR_CALM,
];

/// Lets somebody else (the sweeper's verdict) end the connection in the same way.
#[derive(Debug, Clone, Default)]
pub struct Calm(Arc<AtomicBool>);

impl Calm {
    /// The next poll of the connection ends it.
    pub fn ask(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn is_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A connection under HTTP/2 whose frames are counted.
#[derive(Debug)]
pub struct Guarded<S> {
    io: S,
    watch: Watch,
    calm: Calm,
    /// What is left of GOAWAY once the end is decided.
    farewell: Option<&'static [u8]>,
}

impl<S> Guarded<S> {
    /// Watches `io`, from its first byte on.
    pub fn new(io: S, watch: Watch, calm: Calm) -> Self {
        Self {
            io,
            watch,
            calm,
            farewell: None,
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Guarded<S> {
    fn end(&mut self) {
        // In the middle of a frame nothing can be said any more.
        self.farewell = Some(match self.watch.may_speak() {
            true => &GOAWAY,
            false => &[],
        });
    }

    /// Says the farewell if the socket takes it now; who does not read hears nothing. Then the end of
    /// the stream, as h2 sees it.
    fn part(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(rest) = self.farewell.filter(|rest| !rest.is_empty()) {
            self.farewell = match Pin::new(&mut self.io).poll_write(cx, rest) {
                Poll::Ready(Ok(written)) if written > 0 => rest.get(written..),
                _ => Some(&[]),
            };
        }
        drop(Pin::new(&mut self.io).poll_flush(cx));
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Guarded<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.farewell.is_none() && this.calm.is_asked() {
            this.end();
        }
        if this.farewell.is_some() {
            return this.part(cx);
        }
        let before = buffer.filled().len();
        let outcome = Pin::new(&mut this.io).poll_read(cx, buffer);
        if let Poll::Ready(Ok(())) = outcome {
            let new = buffer.filled().get(before..).unwrap_or_default();
            if this.watch.received(new).is_err() {
                buffer.set_filled(before);
                this.end();
                return this.part(cx);
            }
        }
        outcome
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Guarded<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.farewell.is_some() {
            // After GOAWAY nothing more is said.
            return Poll::Ready(Ok(bytes.len()));
        }
        let outcome = Pin::new(&mut this.io).poll_write(cx, bytes);
        if let Poll::Ready(Ok(written)) = outcome
            && this
                .watch
                .sent(bytes.get(..written).unwrap_or_default())
                .is_err()
        {
            this.calm.ask();
            cx.waker().wake_by_ref();
        }
        outcome
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.farewell.is_some() {
            return Poll::Ready(Ok(pieces.iter().map(|piece| piece.len()).sum()));
        }
        let outcome = Pin::new(&mut this.io).poll_write_vectored(cx, pieces);
        if let Poll::Ready(Ok(written)) = outcome {
            let mut left = written;
            for piece in pieces {
                let taken = piece.get(..left.min(piece.len())).unwrap_or_default();
                left -= taken.len();
                if this.watch.sent(taken).is_err() {
                    this.calm.ask();
                    cx.waker().wake_by_ref();
                    break;
                }
            }
        }
        outcome
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        Pin::new(&mut this.io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        Pin::new(&mut this.io).poll_shutdown(cx)
    }
}
