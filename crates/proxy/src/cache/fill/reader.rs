//! The body of an answer that is read while it is being stored.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

use super::Fill;
use crate::body::BoxError;

/// One reader of a [`Fill`].
#[derive(Debug)]
pub struct FillReader {
    fill: Arc<Fill>,
    slot: usize,
    left: Option<u64>,
}

impl FillReader {
    pub(super) fn new(fill: Arc<Fill>, slot: usize, length: Option<u64>) -> Self {
        Self {
            fill,
            slot,
            left: length,
        }
    }
}

impl Body for FillReader {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        this.fill.poll_chunk(this.slot, cx).map(|next| match next? {
            Ok(chunk) => {
                let length = u64::try_from(chunk.len()).unwrap_or(u64::MAX);
                this.left = this.left.map(|left| left.saturating_sub(length));
                Some(Ok(Frame::data(chunk)))
            }
            Err(()) => Some(Err("the application's answer broke off".into())),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.left == Some(0) || self.fill.is_at_end(self.slot)
    }

    fn size_hint(&self) -> SizeHint {
        self.left
            .map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

impl Drop for FillReader {
    fn drop(&mut self) {
        self.fill.leave(self.slot);
    }
}
