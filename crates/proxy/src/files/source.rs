//! The bytes of a file as they were when it was opened.

use std::fs::File;
use std::io::{self, IoSliceMut};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::SystemTime;

use bytes::Bytes;
use rustix::fs::fstat;
use rustix::io::{Errno, ReadWriteFlags, preadv2};

use super::open::{Root, Stamp};
use super::range::Span;

/// Up to this length, memory alone is as fast as anything (measured); above, the open file is kept as
/// well, for connections where the kernel sends it by itself.
const MEMORY_ALONE: u64 = 64 * 1024;
/// A file that is being written may look different after it was read; so often it is read again.
const ATTEMPTS: usize = 3;

/// An open file, its content, or both.
#[derive(Debug)]
pub struct Source {
    file: Option<File>,
    content: Option<Bytes>,
    stamp: Stamp,
    settled: bool,
}

impl Source {
    /// Opens the file at `path`, and reads it if it is no larger than `largest`. Blocks.
    pub(super) fn open(root: &Root, path: &Path, largest: u64) -> io::Result<Option<Self>> {
        let now = SystemTime::now();
        for _ in 0..ATTEMPTS {
            let Some((file, stamp)) = root.file(path)? else {
                return Ok(None);
            };
            if stamp.length > largest {
                return Ok(Some(Self::unread(file, stamp, now)));
            }
            let content = whole(&file, stamp.length)?;
            if Stamp::of(&fstat(&file)?) == stamp
                && u64::try_from(content.len()) == Ok(stamp.length)
            {
                return Ok(Some(Self {
                    file: (stamp.length > MEMORY_ALONE).then_some(file),
                    content: Some(content),
                    stamp,
                    settled: stamp.is_settled(now),
                }));
            }
        }
        let found = root.file(path)?;
        Ok(found.map(|(file, stamp)| Self::unread(file, stamp, now)))
    }

    /// An open file that was found by other means than a path of a site.
    pub(crate) fn of(file: File) -> io::Result<Self> {
        let stamp = Stamp::of(&fstat(&file)?);
        Ok(Self::unread(file, stamp, SystemTime::now()))
    }

    fn unread(file: File, stamp: Stamp, now: SystemTime) -> Self {
        Self {
            file: Some(file),
            content: None,
            stamp,
            settled: stamp.is_settled(now),
        }
    }

    /// Bytes.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.stamp.length
    }

    /// All of it, if it is in memory.
    #[must_use]
    pub fn content(&self) -> Option<&Bytes> {
        self.content.as_ref()
    }

    /// The open file, if it is kept.
    #[must_use]
    pub fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.file.as_ref().map(AsFd::as_fd)
    }

    /// False once somebody has written into the open file: what is read from it now is not what the
    /// answer's head told. Does not wait: it asks about an open file, not about a path.
    #[must_use]
    pub fn is_unchanged(&self) -> bool {
        let Some(file) = &self.file else {
            return true;
        };
        fstat(file).is_ok_and(|stat| {
            let now = Stamp::of(&stat);
            // Not the time of the inode: it changes when the file is renamed or unlinked.
            now.length == self.stamp.length && now.modified == self.stamp.modified
        })
    }

    /// True if the end of `span` can be read without waiting for the disk; what is before it was
    /// probably read ahead.
    #[must_use]
    pub fn is_at_hand(&self, span: Span) -> bool {
        let Some(file) = self.file.as_ref().filter(|_| self.content.is_none()) else {
            return self.content.is_some();
        };
        let mut byte = [0];
        let slice = &mut [IoSliceMut::new(&mut byte)];
        preadv2(file, slice, span.last, ReadWriteFlags::NOWAIT) == Ok(1)
    }

    /// True if a file with `stamp` still has this content.
    pub(super) fn is_still(&self, stamp: &Stamp) -> bool {
        self.settled && self.stamp == *stamp
    }

    pub(super) fn stamp(&self) -> &Stamp {
        &self.stamp
    }

    /// Bytes of memory.
    pub(super) fn weight(&self) -> u64 {
        self.content.as_ref().map_or(0, |_| self.stamp.length)
    }

    /// A part of what is in memory.
    pub(super) fn slice(&self, span: Span) -> Option<Bytes> {
        let content = self.content.as_ref()?;
        let first = usize::try_from(span.first).ok()?;
        let last = usize::try_from(span.last).ok()?;
        (first <= last && last < content.len()).then(|| content.slice(first..=last))
    }

    /// Reads at most `length` bytes at `offset` without waiting for the disk.
    pub(super) fn read_at_hand(&self, offset: u64, length: usize) -> AtHand {
        let Some(file) = &self.file else {
            return AtHand::Elsewhere;
        };
        let mut piece = vec![0; length];
        let outcome = preadv2(
            file,
            &mut [IoSliceMut::new(&mut piece)],
            offset,
            ReadWriteFlags::NOWAIT,
        );
        match outcome {
            Ok(0) => AtHand::Changed,
            Ok(_) if !self.is_unchanged() => AtHand::Changed,
            Ok(read) => {
                piece.truncate(read);
                AtHand::Read(Bytes::from(piece))
            }
            Err(Errno::AGAIN | Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL | Errno::INTR) => {
                AtHand::Elsewhere
            }
            Err(error) => AtHand::Failed(error.into()),
        }
    }

    /// Reads `length` bytes at `offset`. Blocks.
    pub(crate) fn read(&self, offset: u64, length: usize) -> io::Result<Bytes> {
        let file = self.file.as_ref().ok_or(io::ErrorKind::Unsupported)?;
        let mut piece = vec![0; length];
        file.read_exact_at(&mut piece, offset)?;
        if self.is_unchanged() {
            Ok(Bytes::from(piece))
        } else {
            Err(changed())
        }
    }
}

/// What reading without waiting came to.
#[derive(Debug)]
pub(super) enum AtHand {
    Read(Bytes),
    /// It lies on the disk.
    Elsewhere,
    /// It is not the file any more that the head told about.
    Changed,
    Failed(io::Error),
}

pub(super) fn changed() -> io::Error {
    io::Error::new(
        io::ErrorKind::UnexpectedEof,
        "the file was changed while it was sent",
    )
}

fn whole(file: &File, length: u64) -> io::Result<Bytes> {
    let mut content = vec![0; usize::try_from(length).unwrap_or_default()];
    let mut read = 0;
    while let Some(space) = content.get_mut(read..).filter(|space| !space.is_empty()) {
        match file.read_at(space, u64::try_from(read).unwrap_or(u64::MAX))? {
            0 => break,
            more => read += more,
        }
    }
    content.truncate(read);
    Ok(Bytes::from(content))
}
