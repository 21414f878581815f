//! Early hints (RFC 8297): what an application says before its answer goes to the visitor at once, so
//! that he can fetch style sheets while the answer is made.
//!
//! Only where we write to the visitor ourselves, that is in the fast lane: hyper has no words for
//! interim answers.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use http::{HeaderMap, StatusCode};
use tokio::io::AsyncWrite;

/// An application cannot make us keep more than this.
const MOST: usize = 16 * 1024;

/// Interim answers that the visitor of a connection has not got yet.
#[derive(Debug, Default)]
pub struct Hints {
    bytes: RefCell<Vec<u8>>,
    /// Who writes them: a fetch for the cache is another task than the visitor's.
    writer: RefCell<Option<Waker>>,
}

impl Hints {
    /// Adds an interim answer (RFC 9110 15.2: a proxy passes them on). What 100 and 101 mean is between
    /// the proxy and the application.
    pub fn add(&self, status: StatusCode, headers: &HeaderMap) {
        let mut bytes = self.bytes.borrow_mut();
        let line: &[u8] = match status {
            StatusCode::PROCESSING => b"HTTP/1.1 102 Processing\r\n",
            StatusCode::EARLY_HINTS => b"HTTP/1.1 103 Early Hints\r\n",
            _ => return,
        };
        if bytes.len() > MOST {
            return;
        }
        bytes.extend_from_slice(line);
        for (name, value) in headers {
            for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
                bytes.extend_from_slice(part);
            }
        }
        bytes.extend_from_slice(b"\r\n");
        if let Some(writer) = self.writer.take() {
            writer.wake();
        }
    }

    /// Writes what can be written now; the rest is for [`Hints::finish`].
    ///
    /// # Errors
    /// The visitor has left.
    pub fn write<W: AsyncWrite + Unpin>(&self, io: &mut W, cx: &mut Context<'_>) -> io::Result<()> {
        let mut bytes = self.bytes.borrow_mut();
        if bytes.is_empty() {
            let mut writer = self.writer.borrow_mut();
            if !writer
                .as_ref()
                .is_some_and(|waker| waker.will_wake(cx.waker()))
            {
                *writer = Some(cx.waker().clone());
            }
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
