//! The body of an answer, wherever it comes from.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

use super::BoxError;
use crate::cache::fill::FillReader;
use crate::compress::Compressed;
use crate::files::FileBody;
use crate::upstream::{Multiplexed, Relay};

/// The body of an answer.
#[derive(Debug)]
pub enum Outbound {
    /// Ready in memory; `None` once it was taken.
    Memory(Option<Bytes>),
    /// From an application.
    Relay(Box<Relay>),
    /// From an application, over HTTP/2.
    Multiplexed(Box<Multiplexed>),
    /// From a file.
    File(Box<FileBody>),
    /// From an answer on its way into the cache.
    Fill(Box<FillReader>),
    /// Compressed on its way.
    Compressed(Box<Compressed>),
}

impl Outbound {
    /// No body.
    #[must_use]
    pub fn empty() -> Self {
        Self::Memory(None)
    }

    /// This body.
    #[must_use]
    pub fn full(bytes: Bytes) -> Self {
        Self::Memory((!bytes.is_empty()).then_some(bytes))
    }
}

impl Body for Outbound {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self.get_mut() {
            Self::Memory(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Relay(relay) => Pin::new(relay.as_mut()).poll_frame(cx),
            Self::Multiplexed(body) => Pin::new(body.as_mut()).poll_frame(cx),
            Self::File(file) => Pin::new(file.as_mut()).poll_frame(cx),
            Self::Fill(fill) => Pin::new(fill.as_mut()).poll_frame(cx),
            Self::Compressed(body) => Pin::new(body.as_mut()).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Memory(bytes) => bytes.is_none(),
            Self::Relay(relay) => relay.is_end_stream(),
            Self::Multiplexed(body) => body.is_end_stream(),
            Self::File(file) => file.is_end_stream(),
            Self::Fill(fill) => fill.is_end_stream(),
            Self::Compressed(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Memory(bytes) => {
                let length = bytes.as_ref().map_or(0, Bytes::len);
                SizeHint::with_exact(u64::try_from(length).unwrap_or(u64::MAX))
            }
            Self::Relay(relay) => relay.size_hint(),
            Self::Multiplexed(body) => body.size_hint(),
            Self::File(file) => file.size_hint(),
            Self::Fill(fill) => fill.size_hint(),
            Self::Compressed(body) => body.size_hint(),
        }
    }
}
