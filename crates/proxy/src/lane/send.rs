//! Files from the kernel's memory to a plain socket, without a copy through ours.

use std::io;
use std::task::{Context, Poll, ready};

use rustix::fs::sendfile;
use rustix::net::{SendFlags, send};
use tokio::io::Interest;
use tokio::net::TcpStream;

use crate::files::{FileBody, Segment, Source, Span};

/// So much at a time, so that the other visitors of the thread need not wait; nginx's measure.
const MOST: u64 = 2 * 1024 * 1024;
/// Below, a copy costs no more than the call.
const LEAST: u64 = 16 * 1024;
/// From here on the head goes ahead: the visitor's side is at work while the file is sent, and its first
/// page begins a segment. Shorter files are cheaper in one piece with their heads (measured).
const LONG: u64 = 192 * 1024;

/// The part of `file` that comes next, if it is one that the kernel may send.
pub(super) fn next(file: &FileBody) -> Option<Span> {
    let Segment::File(span) = file.segments()?.front()? else {
        return None;
    };
    file.source().descriptor()?;
    let mut part = *span;
    if part.length() > MOST {
        part.last = part.first + MOST - 1;
    }
    (part.length() >= LEAST).then_some(part)
}

/// True if `part` is still what the answer's head told of, and need not be waited for.
pub(super) fn is_ready(file: &FileBody, part: Span) -> bool {
    let source = file.source();
    source.is_unchanged() && source.is_at_hand(part)
}

/// Sends `head`, which `part` follows; how much of it went.
pub(super) fn poll_head(
    socket: &TcpStream,
    head: &[u8],
    part: Span,
    cx: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    let mut flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
    flags.set(SendFlags::MORE, part.length() < LONG);
    poll(socket, cx, || Ok(send(socket, head, flags)?))
}

/// Sends of `part` what the socket takes now.
pub(super) fn poll_part(
    socket: &TcpStream,
    source: &Source,
    part: Span,
    cx: &mut Context<'_>,
) -> Poll<io::Result<u64>> {
    let Some(file) = source.descriptor() else {
        return Poll::Ready(Err(io::ErrorKind::NotFound.into()));
    };
    let length = usize::try_from(part.length()).unwrap_or(usize::MAX);
    let sent = ready!(poll(socket, cx, || {
        let mut offset = part.first;
        Ok(sendfile(socket, file, Some(&mut offset), length)?)
    }))?;
    Poll::Ready(match u64::try_from(sent) {
        // The file has become shorter.
        Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
        Ok(sent) => Ok(sent),
        Err(_) => Err(io::ErrorKind::InvalidData.into()),
    })
}

fn poll(
    socket: &TcpStream,
    cx: &mut Context<'_>,
    call: impl Fn() -> io::Result<usize>,
) -> Poll<io::Result<usize>> {
    loop {
        ready!(socket.poll_write_ready(cx))?;
        match socket.try_io(Interest::WRITABLE, &call) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            outcome => return Poll::Ready(outcome),
        }
    }
}
