//! A large file, or parts of it, read piece by piece on the blocking pool while the visitor reads.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::task::JoinHandle;

use super::range::Span;
use crate::body::BoxError;

const PIECE: u64 = 128 * 1024;

/// What comes next.
#[derive(Debug)]
pub(super) enum Segment {
    /// From memory: boundaries of a multipart answer.
    Memory(Bytes),
    /// From the file.
    File(Span),
}

impl Segment {
    fn length(&self) -> u64 {
        match self {
            Self::Memory(bytes) => u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            Self::File(span) => span.length(),
        }
    }
}

/// Segments of a file and of memory.
#[derive(Debug)]
pub struct FileBody {
    file: Arc<File>,
    segments: VecDeque<Segment>,
    left: u64,
    reading: Option<JoinHandle<io::Result<Bytes>>>,
}

impl FileBody {
    pub(super) fn new(file: File, segments: impl IntoIterator<Item = Segment>) -> Self {
        let segments: VecDeque<Segment> = segments.into_iter().collect();
        Self {
            file: Arc::new(file),
            left: segments.iter().map(Segment::length).sum(),
            segments,
            reading: None,
        }
    }

    /// The length of everything.
    pub(super) fn length(&self) -> u64 {
        self.left
    }

    /// Begins to read the next piece of `span`; what is left of it stays in front.
    fn begin(&mut self, span: Span) {
        let length = span.length().min(PIECE);
        if length < span.length() {
            self.segments.push_front(Segment::File(Span {
                first: span.first + length,
                last: span.last,
            }));
        }
        let file = Arc::clone(&self.file);
        self.reading = Some(tokio::task::spawn_blocking(move || {
            let mut piece = vec![0; usize::try_from(length).unwrap_or_default()];
            file.read_exact_at(&mut piece, span.first)?;
            Ok(Bytes::from(piece))
        }));
    }
}

impl Body for FileBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        loop {
            let bytes = if let Some(reading) = &mut this.reading {
                // A file that became shorter meanwhile ends the connection: its length was promised.
                let outcome = ready!(Pin::new(reading).poll(cx));
                this.reading = None;
                outcome??
            } else {
                match this.segments.pop_front() {
                    None => return Poll::Ready(None),
                    Some(Segment::Memory(bytes)) => bytes,
                    Some(Segment::File(span)) => {
                        this.begin(span);
                        continue;
                    }
                }
            };
            let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            this.left = this.left.saturating_sub(length);
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
