//! A request on its way to an application: head and first piece of the body in one write, every later
//! piece as it comes.

use std::cell::Cell;
use std::io::{self, IoSlice, Write};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use http::{HeaderMap, Method};
use hyper::body::Body;

use super::wire::Wire;
use crate::body::{Inbound, InboundState};
use crate::upstream::headers::{self, Call};

/// A thread's buffer for heads is not kept above this size.
const MOST_KEPT: usize = 16 * 1024;

thread_local! {
    static HEAD: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// How the body of a request is framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::upstream) enum Length {
    /// There is none and nobody expects one.
    None,
    /// So many bytes.
    Exact(u64),
    /// Not known before its end.
    Chunked,
}

impl Length {
    fn of(call: &Call<'_>, body: &Inbound) -> Self {
        let expected = || {
            [Method::POST, Method::PUT, Method::PATCH].contains(call.method)
                || call.headers.contains_key(http::header::CONTENT_LENGTH)
        };
        match body.size_hint().exact() {
            // RFC 9110 8.6: a method that anticipates content says that there is none.
            Some(0) if expected() => Self::Exact(0),
            Some(0) => Self::None,
            Some(length) => Self::Exact(length),
            None => Self::Chunked,
        }
    }
}

/// Why it went no further.
#[derive(Debug)]
pub(in crate::upstream) enum SendError {
    /// The visitor's body.
    Body,
    /// The connection.
    Wire(io::Error),
}

/// A request of which some bytes may be written already.
#[derive(Debug)]
pub(in crate::upstream) struct Sending {
    /// The head, later the frames of chunks; written up to `at`.
    front: Vec<u8>,
    at: usize,
    /// A piece of the body, and what ends its chunk.
    data: Bytes,
    tail: &'static [u8],
    body: Option<Inbound>,
    state: InboundState,
    chunked: bool,
    written: u64,
}

impl Sending {
    /// Nothing is written yet.
    pub(in crate::upstream) fn new(call: &Call<'_>, body: Inbound) -> Self {
        let length = Length::of(call, &body);
        let mut front = HEAD.take();
        front.clear();
        headers::write_head(&mut front, call, length);
        Self {
            front,
            at: 0,
            data: Bytes::new(),
            tail: b"",
            state: body.state(),
            body: (!matches!(length, Length::None | Length::Exact(0))).then_some(body),
            chunked: length == Length::Chunked,
            written: 0,
        }
    }

    /// True if not a byte was written: it can be sent over another connection as it is.
    pub(in crate::upstream) fn is_untouched(&self) -> bool {
        self.written == 0
    }

    /// How the visitor's body does.
    pub(in crate::upstream) fn state(&self) -> &InboundState {
        &self.state
    }

    /// Bytes written so far.
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    fn is_drained(&self) -> bool {
        self.at == self.front.len() && self.data.is_empty() && self.tail.is_empty()
    }

    /// Writes as much as can be written now; ready when everything is.
    pub(in crate::upstream) fn poll_send(
        &mut self,
        wire: &mut Wire,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), SendError>> {
        loop {
            if self.data.is_empty() && self.tail.is_empty() {
                let loaded = self.poll_load(cx);
                if self.is_drained() {
                    return loaded;
                }
                // What is ready goes out, whatever the body does.
                if let Poll::Ready(Err(error)) = loaded {
                    return Poll::Ready(Err(error));
                }
            }
            let front = self.front.get(self.at..).unwrap_or_default();
            let written = if self.data.is_empty() && self.tail.is_empty() {
                ready!(wire.poll_write(&[IoSlice::new(front)], cx))
            } else {
                let pieces = [front, &self.data, self.tail].map(IoSlice::new);
                ready!(wire.poll_write(&pieces, cx))
            };
            self.advance(written.map_err(SendError::Wire)?);
        }
    }

    /// Loads the next piece of the body, if there is room for it; ready when there is none any more.
    fn poll_load(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        while let Some(body) = &mut self.body {
            let frame = match ready!(Pin::new(body).poll_frame(cx)) {
                Some(frame) => frame.map_err(|_| SendError::Body)?,
                None => {
                    self.finish(None);
                    break;
                }
            };
            match frame.into_data() {
                Ok(data) if data.is_empty() => {}
                Ok(data) => {
                    if self.chunked {
                        // Writing to a vector cannot fail.
                        drop(write!(self.front, "{:x}\r\n", data.len()));
                        self.tail = b"\r\n";
                    }
                    self.data = data;
                    if self.body.as_ref().is_some_and(Body::is_end_stream) {
                        // The end goes out with the last piece.
                        self.body = self.body.take().filter(|_| self.chunked);
                    }
                    break;
                }
                Err(frame) => {
                    self.finish(frame.into_trailers().ok());
                    break;
                }
            }
        }
        Poll::Ready(Ok(()))
    }

    fn finish(&mut self, trailers: Option<HeaderMap>) {
        self.body = None;
        if self.chunked {
            self.front.extend_from_slice(b"0\r\n");
            for (name, value) in trailers.iter().flatten() {
                headers::write_field(&mut self.front, name.as_str(), value.as_bytes());
            }
            self.front.extend_from_slice(b"\r\n");
        }
    }

    fn advance(&mut self, written: usize) {
        self.written += u64::try_from(written).unwrap_or(0);
        let front = written.min(self.front.len() - self.at);
        self.at += front;
        if self.at == self.front.len() {
            self.at = 0;
            self.front.clear();
            if self.body.is_none() {
                self.recycle();
            }
        }
        let data = (written - front).min(self.data.len());
        self.data.advance(data);
        let tail = written - front - data;
        self.tail = self.tail.get(tail..).unwrap_or_default();
    }

    fn recycle(&mut self) {
        let front = std::mem::take(&mut self.front);
        if front.capacity() > 0 && front.capacity() <= MOST_KEPT {
            HEAD.set(front);
        }
    }
}
