//! What was read of a connection and not used yet: the beginning of a head, or pipelined requests.
//! Nothing is allocated while nothing is kept.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use http::request::Parts;
use tokio::io::ReadBuf;

use super::answer::Asked;
use super::head::{self, Fields, Found};
use super::io::LaneIo;
use super::{request, scratch};
use crate::pulse::Pulse;

/// What a look at the bytes led to.
#[expect(
    clippy::large_enum_variant,
    reason = "the large one is the rule, and a box for it would cost each request"
)]
pub(super) enum Step {
    /// A request of the lane.
    Begin(Parts, Asked),
    /// Something else.
    Odd,
    /// Nothing yet.
    More,
    /// The visitor has left.
    End,
}

/// Bytes from `used` on.
#[derive(Debug, Default)]
pub(super) struct Kept {
    bytes: Vec<u8>,
    used: usize,
    /// What is kept was looked at and has no end: only more bytes are worth another look.
    seen: bool,
}

impl Kept {
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// For whoever goes on.
    pub(super) fn take(&mut self) -> BytesMut {
        let rest = BytesMut::from(self.unused());
        *self = Self::default();
        rest
    }

    /// The next request: looks at what is kept, then reads.
    pub(super) fn poll_head<S: LaneIo>(
        &mut self,
        io: &mut S,
        pulse: &Pulse,
        cx: &mut Context<'_>,
    ) -> Poll<Step> {
        let mut step = scratch::reading(|reading| self.look(&mut reading.fields));
        while matches!(step, Step::More) {
            if !self.is_empty() {
                pulse.head_begins();
            }
            step = ready!(self.poll_more(io, cx));
        }
        Poll::Ready(step)
    }

    /// While a request is at work: ready if the visitor has left. One who has sent more already is not
    /// asked.
    pub(super) fn poll_left<S: LaneIo>(&mut self, io: &mut S, cx: &mut Context<'_>) -> Poll<()> {
        if !self.is_empty() {
            return Poll::Pending;
        }
        scratch::reading(|reading| {
            let mut space = ReadBuf::new(&mut reading.bytes);
            let outcome = ready!(Pin::new(io).poll_read(cx, &mut space));
            self.bytes.extend_from_slice(space.filled());
            if outcome.is_err() || self.is_empty() {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
    }

    fn poll_more<S: LaneIo>(&mut self, io: &mut S, cx: &mut Context<'_>) -> Poll<Step> {
        scratch::reading(|reading| {
            let mut space = ReadBuf::new(&mut reading.bytes);
            if ready!(Pin::new(io).poll_read(cx, &mut space)).is_err() {
                return Poll::Ready(Step::End);
            }
            let read = space.filled();
            if read.is_empty() {
                return Poll::Ready(Step::End);
            }
            if self.is_empty() {
                let (step, length) = look(read, &mut reading.fields);
                let rest = read.get(length..).unwrap_or_default();
                rest.clone_into(&mut self.bytes);
                self.seen = matches!(step, Step::More);
                return Poll::Ready(step);
            }
            self.bytes.extend_from_slice(read);
            self.seen = !head::is_worth_a_look(self.unused(), read.len());
            Poll::Ready(self.look(&mut reading.fields))
        })
    }

    fn look(&mut self, fields: &mut Fields) -> Step {
        if self.is_empty() || self.seen {
            return Step::More;
        }
        let (step, length) = look(self.unused(), fields);
        self.seen = matches!(step, Step::More);
        self.used += length;
        if self.used == self.bytes.len() {
            *self = Self::default();
        }
        step
    }

    fn unused(&self) -> &[u8] {
        self.bytes.get(self.used..).unwrap_or_default()
    }
}

/// Looks at the front of `bytes`; how many of them are used.
fn look(bytes: &[u8], fields: &mut Fields) -> (Step, usize) {
    let request = match head::find(bytes, fields) {
        Found::Incomplete => return (Step::More, 0),
        Found::Odd => return (Step::Odd, 0),
        Found::Request(request) => request,
    };
    let asked = Asked {
        is_head: request.is_head,
        close: request.close,
        trailers: request.trailers,
    };
    match request::parts(bytes, &request, fields) {
        Some(parts) => (Step::Begin(parts, asked), request.length),
        None => (Step::Odd, 0),
    }
}
