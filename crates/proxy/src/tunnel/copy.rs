//! One direction of a tunnel. An idle one holds no buffer: bytes pass through one of the thread, and
//! only what the receiver does not take at once is kept.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

const BUFFER: usize = 16 * 1024;

thread_local! {
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; BUFFER].into_boxed_slice());
}

/// What is between two ends.
#[derive(Debug, Default)]
pub(super) struct Direction {
    kept: Bytes,
    stirred: bool,
    unflushed: bool,
    ended: bool,
    closed: bool,
}

impl Direction {
    /// With bytes that were read before.
    pub(super) fn beginning_with(kept: Bytes) -> Self {
        Self {
            kept,
            ..Self::default()
        }
    }

    /// True if something was read since the last call.
    pub(super) fn has_stirred(&mut self) -> bool {
        std::mem::take(&mut self.stirred)
    }

    /// Copies what can be copied now; ready once `from` has ended and `to` was told.
    pub(super) fn poll_copy<R, W>(
        &mut self,
        from: &mut R,
        to: &mut W,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        loop {
            while !self.kept.is_empty() {
                let written = ready!(Pin::new(&mut *to).poll_write(cx, &self.kept))?;
                self.kept.advance(nonzero(written)?);
                self.unflushed = true;
            }
            if self.closed {
                return Poll::Ready(Ok(()));
            }
            if self.ended {
                ready!(Pin::new(&mut *to).poll_shutdown(cx))?;
                self.closed = true;
                return Poll::Ready(Ok(()));
            }
            if self.poll_piece(from, to, cx)?.is_pending() {
                if self.unflushed {
                    ready!(Pin::new(&mut *to).poll_flush(cx))?;
                    self.unflushed = false;
                }
                return Poll::Pending;
            }
        }
    }

    /// Reads a piece and passes on what is taken of it.
    fn poll_piece<R, W>(
        &mut self,
        from: &mut R,
        to: &mut W,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        SCRATCH.with_borrow_mut(|scratch| {
            let mut space = ReadBuf::new(scratch);
            ready!(Pin::new(from).poll_read(cx, &mut space))?;
            let piece = space.filled();
            self.stirred = true;
            self.ended = piece.is_empty();
            if self.ended {
                return Poll::Ready(Ok(()));
            }
            let written = match Pin::new(to).poll_write(cx, piece) {
                Poll::Ready(written) => nonzero(written?)?,
                Poll::Pending => 0,
            };
            self.unflushed = true;
            self.kept = Bytes::copy_from_slice(piece.get(written..).unwrap_or_default());
            Poll::Ready(Ok(()))
        })
    }
}

fn nonzero(written: usize) -> io::Result<usize> {
    if written == 0 {
        return Err(io::ErrorKind::WriteZero.into());
    }
    Ok(written)
}
