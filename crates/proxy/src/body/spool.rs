//! Request bodies taken in whole before an application hears of them: a slow visitor keeps a buffer
//! busy, and then a file, but never an application.

use std::io;
use std::path::Path;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame};
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};

use super::{BodyFault, Inbound};
use crate::plan::Spool;

/// Read from a file at once.
const PIECE: usize = 64 * 1024;

/// Bytes of this process's bodies now, in memory and in files.
static IN_MEMORY: AtomicU64 = AtomicU64::new(0);
static IN_FILES: AtomicU64 = AtomicU64::new(0);

/// Why a body could not be taken in.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// The visitor's part.
    #[error(transparent)]
    Body(#[from] BodyFault),
    /// All files together would be larger than allowed.
    #[error("the spool is full")]
    Full,
    /// The file system refuses.
    #[error("cannot spool into a file")]
    File(#[from] io::Error),
}

/// A body that is here.
#[derive(Debug)]
pub(super) struct Spooled {
    memory: Bytes,
    #[expect(dead_code, reason = "held for its drop")]
    charge: Charge,
    file: Option<Stored>,
    trailers: Option<HeaderMap>,
}

/// The part of a body that is in a file.
#[derive(Debug)]
struct Stored {
    file: File,
    left: u64,
    #[expect(dead_code, reason = "held for its drop")]
    charge: Charge,
}

/// Bytes counted while it lives.
#[derive(Debug)]
struct Charge {
    all: &'static AtomicU64,
    mine: u64,
}

impl Charge {
    fn on(all: &'static AtomicU64) -> Self {
        Self { all, mine: 0 }
    }

    /// Counts `length` more; false, and nothing is counted, if that is more than `most` of all.
    fn add(&mut self, length: usize, most: u64) -> bool {
        let length = u64::try_from(length).unwrap_or(u64::MAX);
        if self.all.fetch_add(length, Ordering::Relaxed) + length > most {
            self.all.fetch_sub(length, Ordering::Relaxed);
            return false;
        }
        self.mine += length;
        true
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.all.fetch_sub(self.mine, Ordering::Relaxed);
    }
}

/// Takes in all of `body`.
///
/// # Errors
/// [`SpoolError`].
pub async fn spool(mut body: Inbound, plan: &Spool) -> Result<Inbound, SpoolError> {
    if body.is_end_stream() {
        return Ok(body);
    }
    let mut memory = BytesMut::new();
    let mut in_memory = Charge::on(&IN_MEMORY);
    let mut file: Option<(File, Charge)> = None;
    let mut trailers = None;
    while let Some(frame) = body.frame().await {
        let fault = || body.state().fault().unwrap_or(BodyFault::Broken);
        let frame = frame.map_err(|_| fault())?;
        let data = match frame.into_data() {
            Ok(data) => data,
            Err(frame) => {
                trailers = frame.into_trailers().ok();
                continue;
            }
        };
        let first = memory.is_empty() && file.is_none();
        if first && body.is_end_stream() && data.len() <= plan.memory {
            // It came whole.
            return Ok(Inbound::spooled(Spooled::in_memory(data)));
        }
        // Copied: a few bytes must not keep a whole read buffer.
        if file.is_none()
            && memory.len() + data.len() <= plan.memory
            && in_memory.add(data.len(), plan.memory_total)
        {
            memory.extend_from_slice(&data);
            continue;
        }
        let (file, charge) = match &mut file {
            Some(open) => open,
            None => file.insert((create(&plan.directory).await?, Charge::on(&IN_FILES))),
        };
        if !charge.add(data.len(), plan.total) {
            return Err(SpoolError::Full);
        }
        file.write_all(&data).await?;
    }
    let memory = memory.freeze();
    let file = match file {
        None => None,
        Some((mut file, charge)) => {
            file.flush().await?;
            file.rewind().await?;
            Some(Stored {
                file,
                left: charge.mine,
                charge,
            })
        }
    };
    Ok(Inbound::spooled(Spooled {
        memory,
        charge: in_memory,
        file,
        trailers,
    }))
}

async fn create(directory: &Path) -> io::Result<File> {
    let directory = directory.to_owned();
    let file = tokio::task::spawn_blocking(move || tempfile::tempfile_in(directory))
        .await
        .map_err(io::Error::other)??;
    let mut file = File::from_std(file);
    file.set_max_buf_size(PIECE);
    Ok(file)
}

impl Spooled {
    fn in_memory(memory: Bytes) -> Self {
        Self {
            memory,
            charge: Charge::on(&IN_MEMORY),
            file: None,
            trailers: None,
        }
    }

    /// True once everything was taken.
    pub(super) fn is_empty(&self) -> bool {
        self.memory.is_empty() && self.file.is_none() && self.trailers.is_none()
    }

    /// Bytes still to come; `None` if trailers follow them.
    pub(super) fn length(&self) -> Option<u64> {
        if self.trailers.is_some() {
            return None;
        }
        let memory = u64::try_from(self.memory.len()).unwrap_or(u64::MAX);
        Some(memory + self.file.as_ref().map_or(0, |file| file.left))
    }

    pub(super) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if !self.memory.is_empty() {
            let piece = std::mem::take(&mut self.memory);
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        if let Some(stored) = &mut self.file {
            let piece = ready!(stored.poll_piece(cx))?;
            if stored.left == 0 {
                self.file = None;
            }
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        Poll::Ready(
            self.trailers
                .take()
                .map(|trailers| Ok(Frame::trailers(trailers))),
        )
    }
}

impl Stored {
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        let most = usize::try_from(self.left).map_or(PIECE, |left| left.min(PIECE));
        let mut piece = BytesMut::with_capacity(most);
        let read = ready!(pin!(self.file.read_buf(&mut piece)).poll(cx))?;
        if read == 0 {
            return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
        }
        self.left = self
            .left
            .saturating_sub(u64::try_from(read).unwrap_or(u64::MAX));
        Poll::Ready(Ok(piece.freeze()))
    }
}
