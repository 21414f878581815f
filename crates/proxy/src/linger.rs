//! The end of a connection: what was written must arrive. A socket that is closed while bytes from
//! the peer lie unread sends a reset, and a reset destroys answers on their way (RFC 9112 9.6). So:
//! close our direction, read and drop what still comes for a short while, then close.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// How long the peer may take to see the end.
const PATIENCE: Duration = Duration::from_secs(1);
/// How much is dropped before we lose patience.
const MOST: usize = 8 << 20;
const PIECE: usize = 8 * 1024;

/// How far the end of a connection is.
#[derive(Debug, Default)]
pub struct Linger {
    since: Option<Pin<Box<Sleep>>>,
    dropped: usize,
}

impl Linger {
    /// Closes `io` with patience. Ready when the peer closed too, or sent too much, or took too long.
    pub fn poll_close<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        io: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        let sleep = match &mut self.since {
            Some(sleep) => sleep,
            None => {
                ready!(Pin::new(&mut *io).poll_shutdown(cx))?;
                self.since.insert(Box::pin(tokio::time::sleep(PATIENCE)))
            }
        };
        if sleep.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Ok(()));
        }
        let mut piece = [0; PIECE];
        while self.dropped < MOST {
            let mut space = ReadBuf::new(&mut piece);
            // A peer that resets is at its end as well.
            match Pin::new(&mut *io).poll_read(cx, &mut space) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(_)) => return Poll::Ready(Ok(())),
                Poll::Ready(Ok(())) if space.filled().is_empty() => return Poll::Ready(Ok(())),
                Poll::Ready(Ok(())) => self.dropped += space.filled().len(),
            }
        }
        Poll::Ready(Ok(()))
    }
}
