//! Bytes on their way out: what could not be written at once is kept, in the order of the wire.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};

use super::io::LaneIo;
use crate::pulse::Pulse;

/// Three pieces: what stands before the data (a head, a chunk's line), the data, what follows.
#[derive(Debug, Default)]
pub(super) struct Pending {
    before: Vec<u8>,
    written: usize,
    data: Bytes,
    after: &'static [u8],
}

impl Pending {
    pub(super) fn is_empty(&self) -> bool {
        self.before.is_empty() && self.data.is_empty() && self.after.is_empty()
    }

    /// Writes as much as goes; the rest is kept. Nothing may be kept from before.
    pub(super) fn begin<S: LaneIo>(
        &mut self,
        io: &mut S,
        pulse: &Pulse,
        cx: &mut Context<'_>,
        pieces: (&[u8], Bytes, &'static [u8]),
    ) -> io::Result<()> {
        let (before, data, after) = pieces;
        self.data = data;
        self.after = after;
        let all = [before, &self.data, self.after];
        let total: usize = all.iter().map(|piece| piece.len()).sum();
        if total == 0 {
            return Ok(());
        }
        let written = match pulse.writes(poll_write(io, cx, all)) {
            Poll::Ready(outcome) => outcome?,
            Poll::Pending => 0,
        };
        if written < before.len() {
            before
                .get(written..)
                .unwrap_or_default()
                .clone_into(&mut self.before);
        } else {
            self.skip(written - before.len());
        }
        Ok(())
    }

    /// Keeps `rest` for later.
    pub(super) fn keep(&mut self, rest: &[u8]) {
        self.before.extend_from_slice(rest);
    }

    /// Writes what is kept.
    pub(super) fn poll_rest<S: LaneIo>(
        &mut self,
        io: &mut S,
        pulse: &Pulse,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while !self.is_empty() {
            let before = self.before.get(self.written..).unwrap_or_default();
            let all = [before, &self.data, self.after];
            let written = ready!(pulse.writes(poll_write(io, cx, all)))?;
            let left = before.len();
            if written < left {
                self.written += written;
            } else {
                self.before = Vec::new();
                self.written = 0;
                self.skip(written - left);
            }
        }
        Poll::Ready(Ok(()))
    }

    fn skip(&mut self, count: usize) {
        let of_data = count.min(self.data.len());
        if of_data == self.data.len() {
            // Gives the memory back at once.
            self.data = Bytes::new();
        } else {
            self.data.advance(of_data);
        }
        self.after = self.after.get(count - of_data..).unwrap_or_default();
    }
}

fn poll_write<S: LaneIo>(
    io: &mut S,
    cx: &mut Context<'_>,
    pieces: [&[u8]; 3],
) -> Poll<io::Result<usize>> {
    let mut slices = [IoSlice::new(&[]); 3];
    let mut count = 0;
    for piece in pieces {
        if !piece.is_empty()
            && let Some(slice) = slices.get_mut(count)
        {
            *slice = IoSlice::new(piece);
            count += 1;
        }
    }
    let slices = slices.get(..count).unwrap_or_default();
    let outcome = match slices {
        [one] => Pin::new(io).poll_write(cx, one),
        several => Pin::new(io).poll_write_vectored(cx, several),
    };
    match ready!(outcome)? {
        0 => Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
        written => Poll::Ready(Ok(written)),
    }
}
