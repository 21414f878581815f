//! The application's side of a WebSocket, with a last word of ours: when the proxy must end, the visitor
//! gets a close frame with 1012 ("service restart", RFC 6455 7.4 and its registry), between two frames of
//! the application's, and then nothing more.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::frames::Frames;

/// FIN and opcode 8, 17 bytes unmasked: 1012 and why.
const LAST_WORD: &[u8] = b"\x88\x11\x03\xf4service restart";
const PIECE: usize = 4096;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Passing,
    /// At the next boundary.
    Leaving,
    /// So many bytes of the last word are read.
    Said(usize),
}

/// An application's stream that can be cut short with a proper end.
#[derive(Debug)]
pub(super) struct Farewell<S> {
    io: S,
    frames: Frames,
    state: State,
}

impl<S> Farewell<S> {
    /// `read` passed already.
    pub(super) fn new(io: S, read: &[u8]) -> Self {
        let mut frames = Frames::default();
        frames.pass(read);
        Self {
            io,
            frames,
            state: State::Passing,
        }
    }

    /// From now on what is read ends as soon as it can. The reader must be polled again.
    pub(super) fn leave(&mut self) {
        // The application's own close frame is the last word already.
        if self.state == State::Passing && !self.frames.is_closed() {
            self.state = State::Leaving;
        }
    }
}

impl<S: AsyncRead + Unpin> Farewell<S> {
    fn poll_passing(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.io).poll_read(cx, buffer))?;
        self.frames
            .pass(buffer.filled().get(before..).unwrap_or_default());
        Poll::Ready(Ok(()))
    }

    /// The rest of the frame under way, and not a byte more.
    fn poll_rest(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut piece = [0; PIECE];
        let room = usize::try_from(self.frames.room()).unwrap_or(PIECE);
        let room = room.min(PIECE).min(buffer.remaining());
        let mut limited = ReadBuf::new(piece.get_mut(..room).unwrap_or_default());
        ready!(Pin::new(&mut self.io).poll_read(cx, &mut limited))?;
        self.frames.pass(limited.filled());
        buffer.put_slice(limited.filled());
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Farewell<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        match this.state {
            State::Passing => return this.poll_passing(cx, buffer),
            State::Leaving if !this.frames.at_boundary() => return this.poll_rest(cx, buffer),
            State::Leaving => this.state = State::Said(0),
            State::Said(_) => {}
        }
        if let State::Said(said) = &mut this.state {
            let rest = LAST_WORD.get(*said..).unwrap_or_default();
            let now = rest.get(..buffer.remaining()).unwrap_or(rest);
            buffer.put_slice(now);
            *said += now.len();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Farewell<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn the_last_word_stands_between_two_frames() {
        let (mut application, ours) = tokio::io::duplex(1 << 16);
        let mut farewell = Farewell::new(ours, b"\x81\x0a0123");
        application.write_all(b"45").await.expect("written");
        let mut read = [0; 2];
        farewell.read_exact(&mut read).await.expect("read");
        farewell.leave();
        application
            .write_all(b"6789\x81\x03abc")
            .await
            .expect("written");
        let mut rest = Vec::new();
        farewell.read_to_end(&mut rest).await.expect("read");
        assert_eq!(rest, [b"6789".as_slice(), LAST_WORD].concat());
    }

    #[tokio::test]
    async fn an_idle_application_is_cut_short_at_once() {
        let (_application, ours) = tokio::io::duplex(64);
        let mut farewell = Farewell::new(ours, b"");
        farewell.leave();
        let mut all = Vec::new();
        farewell.read_to_end(&mut all).await.expect("read");
        assert_eq!(all, LAST_WORD);
        assert_eq!(usize::from(LAST_WORD[1]), LAST_WORD.len() - 2);
    }

    #[tokio::test]
    async fn after_the_applications_own_close_nothing_is_added() {
        let (mut application, ours) = tokio::io::duplex(64);
        let mut farewell = Farewell::new(ours, b"");
        application
            .write_all(b"\x88\x02\x03\xe8")
            .await
            .expect("written");
        let mut close = [0; 4];
        farewell.read_exact(&mut close).await.expect("read");
        farewell.leave();
        drop(application);
        let mut rest = Vec::new();
        farewell.read_to_end(&mut rest).await.expect("read");
        assert!(rest.is_empty());
    }
}
