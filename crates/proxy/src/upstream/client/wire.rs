//! A connection to an application: reads through a buffer of the thread, one timer for all its waits.

use std::cell::RefCell;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use kiuas_common::listener::Stream;
use rustix::net::RecvFlags;
use tokio::io::{AsyncReadExt, AsyncWrite};
use tokio::time::Sleep;

use crate::clock;
use crate::meter::Counted;

/// The thread's read buffer, and the largest piece of a body.
const MOST_READ: usize = 64 * 1024;
/// Read at once when nothing is known of what is coming: a head, or pieces of an event stream.
const USUAL_READ: usize = 16 * 1024;
/// From here on a piece is given away with the buffer; below it is copied to where it just fits, so
/// that whoever keeps a small piece keeps no large buffer.
const LARGE: usize = 24 * 1024;

thread_local! {
    static SCRATCH: RefCell<BytesMut> = RefCell::new(BytesMut::with_capacity(MOST_READ));
}

/// A connection.
#[derive(Debug)]
pub(in crate::upstream) struct Wire {
    io: Stream,
    /// What was read and is not looked at yet.
    pub(in crate::upstream) unread: Bytes,
    /// The peer has closed its direction.
    ended: bool,
    /// The last read filled what it was given: more is coming.
    flows: bool,
    made: u64,
    alarm: Option<Alarm>,
    _open: Counted,
}

/// A timer.
#[derive(Debug)]
struct Alarm {
    /// By [`clock::milliseconds`].
    deadline: u64,
    sleep: Pin<Box<Sleep>>,
}

impl Alarm {
    fn new(deadline: u64) -> Self {
        Self {
            deadline,
            sleep: Box::pin(tokio::time::sleep(until(deadline))),
        }
    }
}

fn until(deadline: u64) -> Duration {
    Duration::from_millis(deadline.saturating_sub(clock::milliseconds()))
}

impl Wire {
    /// `open` counts it.
    pub(in crate::upstream) fn new(io: Stream, open: Counted) -> Self {
        Self {
            io,
            unread: Bytes::new(),
            ended: false,
            flows: false,
            made: clock::milliseconds(),
            alarm: None,
            _open: open,
        }
    }

    /// When it was connected, by [`clock::milliseconds`].
    pub(in crate::upstream) fn made(&self) -> u64 {
        self.made
    }

    /// Reads into `unread`, which is empty; `left` is what the answer still has, if that is known.
    /// False at the end of the stream.
    pub(in crate::upstream) fn poll_fill(
        &mut self,
        left: Option<u64>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<bool>> {
        if self.ended {
            return Poll::Ready(Ok(false));
        }
        let most = match left {
            // One more byte than can come: a read that is not filled tells the poller that there is
            // nothing more, and saves the call that would find out.
            Some(left) => usize::try_from(left)
                .unwrap_or(MOST_READ)
                .saturating_add(1)
                .clamp(USUAL_READ, MOST_READ),
            None if self.flows => MOST_READ,
            None => USUAL_READ,
        };
        SCRATCH.with_borrow_mut(|scratch| {
            if scratch.capacity() < MOST_READ {
                *scratch = BytesMut::with_capacity(MOST_READ);
            }
            let read = {
                let mut limited = (&mut *scratch).limit(most);
                ready!(pin!(self.io.read_buf(&mut limited)).poll(cx))?
            };
            self.flows = read == most;
            self.ended = read == 0;
            self.unread = if read >= LARGE {
                std::mem::take(scratch).freeze()
            } else {
                let piece = Bytes::copy_from_slice(scratch);
                scratch.clear();
                piece
            };
            Poll::Ready(Ok(read > 0))
        })
    }

    /// Writes some of `pieces`, in one call.
    pub(super) fn poll_write(
        &mut self,
        pieces: &[io::IoSlice<'_>],
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let io = Pin::new(&mut self.io);
        let written = match pieces {
            [one] => ready!(io.poll_write(cx, one))?,
            several => ready!(io.poll_write_vectored(cx, several))?,
        };
        if written == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        Poll::Ready(Ok(written))
    }

    /// Ready once `deadline`, by [`clock::milliseconds`], has passed. The timer is kept and set anew only
    /// when it goes off too early, so that a request usually sets none.
    pub(super) fn poll_alarm(&mut self, deadline: u64, cx: &mut Context<'_>) -> Poll<()> {
        let alarm = self.alarm.get_or_insert_with(|| Alarm::new(deadline));
        if alarm.deadline > deadline {
            *alarm = Alarm::new(deadline);
        }
        loop {
            ready!(alarm.sleep.as_mut().poll(cx));
            if alarm.deadline >= deadline {
                return Poll::Ready(());
            }
            *alarm = Alarm::new(deadline);
        }
    }

    /// True while nobody has said anything over it since the last answer: an idle connection that has
    /// something to read is closed, or out of step. Asks the kernel only if the poller has seen
    /// something, or to be `certain`, because what is about to be sent can be sent only once.
    pub(in crate::upstream) fn is_quiet(&self, certain: bool) -> bool {
        if self.ended || !self.unread.is_empty() {
            return false;
        }
        let mut byte = [0];
        let seen = match &self.io {
            Stream::Tcp(stream) => stream.try_read(&mut byte),
            Stream::Unix(stream) => stream.try_read(&mut byte),
        };
        if !matches!(seen, Err(error) if error.kind() == io::ErrorKind::WouldBlock) {
            return false;
        }
        if !certain {
            return true;
        }
        let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        let peeked = match &self.io {
            Stream::Tcp(stream) => rustix::net::recv(stream, &mut byte, flags),
            Stream::Unix(stream) => rustix::net::recv(stream, &mut byte, flags),
        };
        matches!(peeked, Err(rustix::io::Errno::WOULDBLOCK))
    }

    /// Gives up HTTP: the socket, and what was read of what follows.
    pub(in crate::upstream) fn into_parts(self) -> (Stream, Bytes, Counted) {
        (self.io, self.unread, self._open)
    }
}
