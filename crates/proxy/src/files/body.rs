//! Files, or parts of them, on their way to a visitor.
//!
//! What is in memory is sent from there, what the kernel has at hand is read at once, and the rest is
//! read on the blocking pool, one piece ahead of what the visitor reads.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::task::JoinHandle;

use super::range::Span;
use super::source::{AtHand, Source, changed};
use crate::body::BoxError;

/// What is read at once: long enough that the system call does not count, short enough that the other
/// visitors of the thread do not wait for the copy.
const AT_HAND: u64 = 64 * 1024;
/// What is read from the disk in one piece.
const FROM_DISK: u64 = 256 * 1024;

/// What comes next.
#[derive(Debug, Clone)]
pub enum Segment {
    /// From memory: boundaries of a multipart answer.
    Memory(Bytes),
    /// From the file.
    File(Span),
}

impl Segment {
    /// Bytes.
    #[must_use]
    pub fn length(&self) -> u64 {
        match self {
            Self::Memory(bytes) => u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            Self::File(span) => span.length(),
        }
    }
}

/// Segments of a file and of memory.
#[derive(Debug)]
pub struct FileBody {
    source: Arc<Source>,
    segments: VecDeque<Segment>,
    left: u64,
    reading: Option<JoinHandle<io::Result<Bytes>>>,
}

impl FileBody {
    pub(super) fn new(source: Arc<Source>, segments: impl IntoIterator<Item = Segment>) -> Self {
        let segments: VecDeque<Segment> = segments.into_iter().collect();
        Self {
            source,
            left: segments.iter().map(Segment::length).sum(),
            segments,
            reading: None,
        }
    }

    /// `length` bytes of `source` from `first` on.
    pub(crate) fn section(source: Arc<Source>, first: u64, length: u64) -> Self {
        let span = Span {
            first,
            last: first.saturating_add(length).saturating_sub(1),
        };
        Self {
            source,
            segments: VecDeque::from([Segment::File(span)]),
            left: length,
            reading: None,
        }
    }

    /// The length of what is left.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.left
    }

    /// The file.
    #[must_use]
    pub fn source(&self) -> &Arc<Source> {
        &self.source
    }

    /// What is left, in order, for who sends it without reading it; `None` once reading has begun.
    #[must_use]
    pub fn segments(&self) -> Option<&VecDeque<Segment>> {
        self.reading.is_none().then_some(&self.segments)
    }

    /// `sent` bytes of the first segment have gone out some other way.
    pub fn advance(&mut self, sent: u64) {
        let Some(first) = self.segments.pop_front() else {
            return;
        };
        let sent = sent.min(first.length());
        self.left = self.left.saturating_sub(sent);
        if sent < first.length() {
            self.segments.push_front(match first {
                Segment::Memory(bytes) => {
                    let from = usize::try_from(sent).unwrap_or(bytes.len());
                    Segment::Memory(bytes.slice(from.min(bytes.len())..))
                }
                Segment::File(span) => Segment::File(Span {
                    first: span.first + sent,
                    last: span.last,
                }),
            });
        }
    }

    /// The first bytes of `span`, without waiting; what is left of it stays in front.
    fn take(&mut self, span: Span) -> Result<Option<Bytes>, BoxError> {
        let bytes = match self.source.slice(span) {
            Some(bytes) => bytes,
            None => match self.source.read_at_hand(span.first, short(span, AT_HAND)) {
                AtHand::Read(bytes) => bytes,
                AtHand::Elsewhere => {
                    self.read_ahead(span);
                    return Ok(None);
                }
                AtHand::Changed => return Err(changed().into()),
                AtHand::Failed(error) => return Err(error.into()),
            },
        };
        self.put_back(span, u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        Ok(Some(bytes))
    }

    fn put_back(&mut self, span: Span, taken: u64) {
        if taken < span.length() {
            self.segments.push_front(Segment::File(Span {
                first: span.first + taken,
                last: span.last,
            }));
        }
    }

    /// Begins to read the next piece of `span` from the disk; what is left of it stays in front.
    fn read_ahead(&mut self, span: Span) {
        let length = short(span, FROM_DISK);
        self.put_back(span, u64::try_from(length).unwrap_or(u64::MAX));
        let source = Arc::clone(&self.source);
        self.reading = Some(tokio::task::spawn_blocking(move || {
            source.read(span.first, length)
        }));
    }

    fn next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, BoxError>> {
        loop {
            if let Some(reading) = &mut self.reading {
                // A file that became shorter meanwhile ends the connection: its length was promised.
                let outcome = ready!(Pin::new(reading).poll(cx));
                self.reading = None;
                let bytes = outcome??;
                // Whose disk was needed once needs it again: fetch the next piece while this is sent.
                if let Some(Segment::File(span)) = self.segments.front().cloned() {
                    self.segments.pop_front();
                    self.read_ahead(span);
                }
                return Poll::Ready(Ok(Some(bytes)));
            }
            match self.segments.pop_front() {
                None => return Poll::Ready(Ok(None)),
                Some(Segment::Memory(bytes)) => return Poll::Ready(Ok(Some(bytes))),
                Some(Segment::File(span)) => {
                    if let Some(bytes) = self.take(span)? {
                        return Poll::Ready(Ok(Some(bytes)));
                    }
                }
            }
        }
    }
}

fn short(span: Span, most: u64) -> usize {
    usize::try_from(span.length().min(most)).unwrap_or_default()
}

impl Body for FileBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        match ready!(this.next(cx)) {
            Ok(None) => Poll::Ready(None),
            Ok(Some(bytes)) => {
                let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
                this.left = this.left.saturating_sub(length);
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Err(error) => Poll::Ready(Some(Err(error))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
