//! Early hints (RFC 8297): what an application says before its answer goes to the visitor at once, so
//! that he can fetch style sheets while the answer is made.
//!
//! hyper has no words for interim answers to a server's visitor: over HTTP/1 we write them ourselves, in
//! the fast lane and below hyper ([`crate::screen`]). Not over HTTP/2: only h2 may write there, and hyper
//! keeps the stream's handle to itself.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use http::StatusCode;
use parking_lot::Mutex;
use tokio::io::AsyncWrite;

use crate::lines::{Fields, Lines};

/// An application cannot make us keep more than this.
const MOST: usize = 16 * 1024;

/// Interim answers that the visitor of a connection has not got yet.
#[derive(Debug, Default)]
pub struct Hints(Mutex<Unsaid>);

#[derive(Debug, Default)]
struct Unsaid {
    bytes: Vec<u8>,
    /// The first of `bytes` is in the middle of an interim answer.
    begun: bool,
    /// Nobody waits: the answer has begun.
    closed: bool,
    /// Who writes them: a fetch for the cache is another task than the visitor's.
    writer: Option<Waker>,
}

impl Hints {
    /// A request is at work; nothing is left of the last one.
    pub fn open(&self) {
        let mut unsaid = self.0.lock();
        unsaid.closed = false;
        if !unsaid.begun {
            unsaid.bytes.clear();
        }
    }

    /// The answer is made: whatever comes later is too late.
    pub fn close(&self) {
        self.0.lock().closed = true;
    }

    /// True if something could be written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.lock().bytes.is_empty()
    }

    /// The moment has passed: forgets what was not begun.
    pub fn forget(&self) {
        let mut unsaid = self.0.lock();
        if !unsaid.begun {
            unsaid.bytes.clear();
        }
    }

    /// Adds an interim answer (RFC 9110 15.2: a proxy passes them on). What 100 and 101 mean is between
    /// the proxy and the application.
    pub fn add(&self, status: StatusCode, fields: &Lines) {
        let mut unsaid = self.0.lock();
        let line: &[u8] = match status {
            StatusCode::PROCESSING => b"HTTP/1.1 102 Processing\r\n",
            StatusCode::EARLY_HINTS => b"HTTP/1.1 103 Early Hints\r\n",
            _ => return,
        };
        if unsaid.closed || unsaid.bytes.len() > MOST {
            return;
        }
        let bytes = &mut unsaid.bytes;
        bytes.extend_from_slice(line);
        fields.write(bytes, |_, _| true);
        bytes.extend_from_slice(b"\r\n");
        if let Some(writer) = unsaid.writer.take() {
            writer.wake();
        }
    }

    /// Writes what can be written now; the rest is for [`Hints::finish`].
    ///
    /// # Errors
    /// The visitor has left.
    pub fn write<W: AsyncWrite + Unpin>(&self, io: &mut W, cx: &mut Context<'_>) -> io::Result<()> {
        let mut unsaid = self.0.lock();
        if unsaid.bytes.is_empty() {
            if !unsaid
                .writer
                .as_ref()
                .is_some_and(|waker| waker.will_wake(cx.waker()))
            {
                unsaid.writer = Some(cx.waker().clone());
            }
            return Ok(());
        }
        while !unsaid.bytes.is_empty() {
            match Pin::new(&mut *io).poll_write(cx, &unsaid.bytes) {
                Poll::Pending => return Ok(()),
                Poll::Ready(written) => {
                    drop(unsaid.bytes.drain(..written?));
                    unsaid.begun = true;
                }
            }
        }
        unsaid.begun = false;
        drop(unsaid);
        // TLS has it in a buffer of its own.
        match Pin::new(io).poll_flush(cx) {
            Poll::Ready(flushed) => flushed,
            Poll::Pending => Ok(()),
        }
    }

    /// The answer begins: what was not written goes in front of it.
    pub fn finish(&self, out: &mut Vec<u8>) {
        let mut unsaid = self.0.lock();
        out.append(&mut unsaid.bytes);
        unsaid.begun = false;
    }
}
