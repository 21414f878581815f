//! Early hints (RFC 8297): what an application says before its answer goes to the visitor at once, so
//! that he can fetch style sheets while the answer is made.
//!
//! Only where we write to the visitor ourselves, that is in the fast lane: hyper has no words for
//! interim answers.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{HeaderMap, StatusCode};
use tokio::io::AsyncWrite;

/// An application cannot make us keep more than this.
const MOST: usize = 16 * 1024;

/// Interim answers that the visitor of a connection has not got yet.
#[derive(Debug, Default)]
pub struct Hints {
    bytes: RefCell<Vec<u8>>,
}

impl Hints {
    /// Adds an interim answer; only 103 means something to a visitor.
    pub fn add(&self, status: StatusCode, headers: &HeaderMap) {
        let mut bytes = self.bytes.borrow_mut();
        if status != StatusCode::EARLY_HINTS || bytes.len() > MOST {
            return;
        }
        bytes.extend_from_slice(b"HTTP/1.1 103 Early Hints\r\n");
        for (name, value) in headers {
            for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
                bytes.extend_from_slice(part);
            }
        }
        bytes.extend_from_slice(b"\r\n");
    }

    /// Writes what can be written now; the rest is for [`Hints::finish`].
    ///
    /// # Errors
    /// The visitor has left.
    pub fn write<W: AsyncWrite + Unpin>(&self, io: &mut W, cx: &mut Context<'_>) -> io::Result<()> {
        let mut bytes = self.bytes.borrow_mut();
        if bytes.is_empty() {
            return Ok(());
        }
        while !bytes.is_empty() {
            match Pin::new(&mut *io).poll_write(cx, &bytes) {
                Poll::Pending => return Ok(()),
                Poll::Ready(written) => drop(bytes.drain(..written?)),
            }
        }
        // TLS has it in a buffer of its own.
        match Pin::new(io).poll_flush(cx) {
            Poll::Ready(flushed) => flushed,
            Poll::Pending => Ok(()),
        }
    }

    /// The answer begins: what was not written goes in front of it.
    pub fn finish(&self, out: &mut Vec<u8>) {
        out.append(&mut self.bytes.borrow_mut());
    }
}
