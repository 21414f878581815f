//! HTTP/2 without TLS (RFC 9113 3.3): a connection that begins with the preface speaks it from there
//! on.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use kiuas_common::listener::Stream;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::lane::LaneIo;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A connection of which something was read already.
#[derive(Debug)]
pub struct Begun<S> {
    read: [u8; PREFACE.len()],
    given: usize,
    length: usize,
    io: S,
}

/// Reads until it is clear whether the preface comes. The caller sets the deadline.
///
/// # Errors
/// The connection broke.
pub async fn sniff<S>(mut io: S) -> io::Result<(Begun<S>, bool)>
where
    S: AsyncRead + Unpin,
{
    let mut read = [0; PREFACE.len()];
    let mut length = 0;
    loop {
        let (known, rest) = read.split_at_mut(length);
        if !PREFACE.starts_with(known) || rest.is_empty() {
            break;
        }
        match io.read(rest).await? {
            0 => break,
            more => length += more,
        }
    }
    let is_http2 = read == PREFACE;
    let begun = Begun {
        read,
        given: 0,
        length,
        io,
    };
    Ok((begun, is_http2))
}

impl<S: AsyncRead + Unpin> AsyncRead for Begun<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let Some(left) = this
            .read
            .get(this.given..this.length)
            .filter(|left| !left.is_empty())
        else {
            return Pin::new(&mut this.io).poll_read(cx, buffer);
        };
        let length = left.len().min(buffer.remaining());
        buffer.put_slice(left.get(..length).unwrap_or_default());
        this.given += length;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Begun<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

/// What was read before has no part in what is written.
impl LaneIo for Begun<Stream> {
    fn socket(&self) -> Option<&TcpStream> {
        self.io.socket()
    }

    fn has_farewell(&self) -> bool {
        false
    }
}
