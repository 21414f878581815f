//! An answer on its way out.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, HeaderName};
use hyper::body::{Body, Frame};
use hyper::ext::ReasonPhrase;

use super::answer::{self, Asked, Framing};
use super::io::LaneIo;
use super::pending::Pending;
use super::{request, scratch, send};
use crate::answer::{Answer, Lined};
use crate::body::BoxError;
use crate::files::Span;
use crate::hints::Hints;
use crate::pulse::Pulse;
use crate::record::Recorded;

/// The end of a chunk; the end of a chunk and of a body without trailers.
const CHUNK_END: &[u8] = b"\r\n";
const LAST_CHUNK: &[u8] = b"\r\n0\r\n\r\n";
const NO_CHUNK: &[u8] = b"0\r\n\r\n";
/// To copy less than this behind a head is cheaper than to hand the kernel several pieces.
const SHORT: usize = 4 * 1024;

/// Why an answer breaks off; the connection ends with it, so that nobody takes it for complete.
#[derive(Debug, thiserror::Error)]
pub(super) enum WriteError {
    #[error("cannot write to the visitor")]
    Write(#[from] io::Error),
    #[error("the answer's body broke off")]
    Body(#[source] BoxError),
    #[error("the answer's body has not the length that was announced")]
    Length,
}

/// What comes next of the body.
enum Next {
    Frame(Frame<Bytes>),
    End,
    /// Not known yet.
    Later,
}

/// An answer whose head is written, or kept for it.
#[derive(Debug)]
pub(super) struct Writing {
    body: Recorded,
    framing: Framing,
    pending: Pending,
    /// Looked at, not written.
    ahead: Option<Frame<Bytes>>,
    /// The file was seen to be ready up to here; not for longer than one turn.
    ready: u64,
    ended: bool,
    pub(super) close: bool,
}

impl Writing {
    /// Writes the head, with as much of the body as there is already.
    pub(super) fn begin<S: LaneIo>(
        answer: Answer<Recorded>,
        asked: Asked,
        hints: &Hints,
        io: &mut S,
        pulse: &Pulse,
        cx: &mut Context<'_>,
    ) -> Result<Self, WriteError> {
        scratch::head(|out| {
            hints.finish(out);
            let (body, framing, close) = head(answer, asked, out);
            let mut writing = Self {
                body,
                framing,
                pending: Pending::default(),
                ahead: None,
                ready: 0,
                ended: false,
                close,
            };
            writing.piece(out, io, pulse, cx)?;
            Ok(writing)
        })
    }

    /// Writes on; ready when everything is written.
    pub(super) fn poll<S: LaneIo>(
        &mut self,
        io: &mut S,
        pulse: &Pulse,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), WriteError>> {
        loop {
            if self.pending.poll_rest(io, pulse, cx)?.is_pending() {
                break;
            }
            if self.ended {
                return Poll::Ready(Ok(()));
            }
            if !scratch::head(|out| self.piece(out, io, pulse, cx))? {
                break;
            }
        }
        self.ready = 0;
        Poll::Pending
    }

    /// Writes `out` and the next piece of the body behind it; false if there was neither.
    fn piece<S: LaneIo>(
        &mut self,
        out: &mut Vec<u8>,
        io: &mut S,
        pulse: &Pulse,
        cx: &mut Context<'_>,
    ) -> Result<bool, WriteError> {
        let had = !out.is_empty();
        if let Some(part) = self.sendable(io) {
            return self.send(out, part, io, pulse, cx);
        }
        let (data, after) = match self.next(cx)? {
            Next::Later if !had => return Ok(false),
            Next::Later => (Bytes::new(), &b""[..]),
            Next::End => self.end(out, None)?,
            Next::Frame(frame) => match frame.into_data() {
                Ok(data) => self.frame(out, data, cx)?,
                Err(frame) => self.end(out, frame.into_trailers().ok())?,
            },
        };
        let (data, after) = if data.len() <= SHORT {
            out.extend_from_slice(&data);
            out.extend_from_slice(after);
            (Bytes::new(), &b""[..])
        } else {
            (data, after)
        };
        self.pending.begin(io, pulse, cx, (out, data, after))?;
        Ok(true)
    }

    /// What the kernel may send by itself.
    fn sendable<S: LaneIo>(&mut self, io: &S) -> Option<Span> {
        io.socket()?;
        let Framing::Length(left) = self.framing else {
            return None;
        };
        let file = self.body.file()?;
        let part = send::next(file).filter(|part| part.length() <= left)?;
        if part.last >= self.ready {
            if !send::is_ready(file, part) {
                return None;
            }
            self.ready = part.last + 1;
        }
        Some(part)
    }

    fn send<S: LaneIo>(
        &mut self,
        out: &[u8],
        part: Span,
        io: &S,
        pulse: &Pulse,
        cx: &mut Context<'_>,
    ) -> Result<bool, WriteError> {
        let (Some(socket), Some(file)) = (io.socket(), self.body.file()) else {
            return Ok(false);
        };
        if !out.is_empty() {
            let sent = match pulse.writes(send::poll_head(socket, out, part, cx)) {
                Poll::Ready(sent) => sent?,
                Poll::Pending => 0,
            };
            self.pending.keep(out.get(sent..).unwrap_or_default());
            return Ok(true);
        }
        match pulse.writes(send::poll_part(socket, file.source(), part, cx)) {
            Poll::Pending => Ok(false),
            Poll::Ready(sent) => {
                let sent = sent?;
                if let Framing::Length(left) = &mut self.framing {
                    *left = left.saturating_sub(sent);
                    self.ended = *left == 0;
                }
                self.body.sent(sent);
                Ok(true)
            }
        }
    }

    fn next(&mut self, cx: &mut Context<'_>) -> Result<Next, WriteError> {
        if self.framing == Framing::None {
            return Ok(Next::End);
        }
        if let Some(frame) = self.ahead.take() {
            return Ok(Next::Frame(frame));
        }
        match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Pending => Ok(Next::Later),
            Poll::Ready(None) => Ok(Next::End),
            Poll::Ready(Some(Ok(frame))) => Ok(Next::Frame(frame)),
            Poll::Ready(Some(Err(error))) => Err(WriteError::Body(error)),
        }
    }

    fn frame(
        &mut self,
        out: &mut Vec<u8>,
        data: Bytes,
        cx: &mut Context<'_>,
    ) -> Result<(Bytes, &'static [u8]), WriteError> {
        match &mut self.framing {
            Framing::None => Ok((Bytes::new(), b"")),
            Framing::Length(left) => {
                let length = u64::try_from(data.len()).unwrap_or(u64::MAX);
                *left = left.checked_sub(length).ok_or(WriteError::Length)?;
                self.ended = *left == 0;
                if self.ended {
                    // So that the body knows it too: a connection to an application goes back to its pool.
                    self.look_ahead(cx)?;
                }
                Ok((data, b""))
            }
            // An empty chunk would be the last one.
            Framing::Chunked(_) if data.is_empty() => Ok((data, b"")),
            Framing::Chunked(_) => {
                answer::chunk_line(out, data.len());
                let after = if self.look_ahead(cx)? {
                    self.ended = true;
                    LAST_CHUNK
                } else {
                    CHUNK_END
                };
                Ok((data, after))
            }
        }
    }

    /// True if nothing more comes.
    fn look_ahead(&mut self, cx: &mut Context<'_>) -> Result<bool, WriteError> {
        if self.body.is_end_stream() {
            return Ok(true);
        }
        match self.next(cx)? {
            Next::End => Ok(true),
            Next::Later => Ok(false),
            Next::Frame(frame) => {
                self.ahead = Some(frame);
                Ok(false)
            }
        }
    }

    fn end(
        &mut self,
        out: &mut Vec<u8>,
        trailers: Option<HeaderMap>,
    ) -> Result<(Bytes, &'static [u8]), WriteError> {
        self.ended = true;
        match &self.framing {
            Framing::None | Framing::Length(0) => Ok((Bytes::new(), b"")),
            Framing::Length(_) => Err(WriteError::Length),
            Framing::Chunked(announced) => match trailers {
                Some(trailers) => {
                    write_trailers(out, &trailers, announced);
                    Ok((Bytes::new(), b""))
                }
                None => Ok((Bytes::new(), NO_CHUNK)),
            },
        }
    }
}

/// Writes the head of `answer`; its body, how that follows, and whether the connection ends.
fn head(answer: Answer<Recorded>, asked: Asked, out: &mut Vec<u8>) -> (Recorded, Framing, bool) {
    match answer {
        Answer::Made(response) => {
            let (parts, body) = response.into_parts();
            let phrase = parts.extensions.get::<ReasonPhrase>();
            let kind = answer::Kind::new(parts.status, &body, asked);
            let (framing, close) = answer::write_head(&kind, phrase, &parts.headers, out);
            request::recycle(parts.headers);
            (body, framing, close)
        }
        Answer::Lined(Lined {
            status,
            lines,
            body,
        }) => {
            let kind = answer::Kind::new(status, &body, asked);
            let (framing, close) = answer::write_head(&kind, None, &lines, out);
            (body, framing, close)
        }
    }
}

fn write_trailers(out: &mut Vec<u8>, trailers: &HeaderMap, announced: &[HeaderName]) {
    out.extend_from_slice(b"0\r\n");
    for (name, value) in trailers {
        if announced.contains(name) {
            answer::line(out, name.as_str().as_bytes(), value.as_bytes());
        }
    }
    out.extend_from_slice(b"\r\n");
}
