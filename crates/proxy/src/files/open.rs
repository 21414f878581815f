//! Opens what lies below a directory, and nothing else. Two walls: [`super::path`] refuses suspicious
//! names, and the kernel resolves the rest beneath the directory. Everything here blocks.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::{Duration, SystemTime};

use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags, Stat, fstat, openat, openat2};
use rustix::io::Errno;

/// Time stamps of some file systems are this coarse: what was changed more recently may change again
/// without another stamp.
const COARSE: Duration = Duration::from_secs(2);

/// An open directory.
#[derive(Debug)]
pub(super) struct Root {
    directory: OwnedFd,
    symlinks_inside: bool,
}

/// What tells one state of a file from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    device: u64,
    inode: u64,
    /// Bytes.
    pub(super) length: u64,
    /// Nanoseconds since 1970.
    pub(super) modified: i128,
    changed: i128,
}

/// What a path leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    File(Stamp),
    Directory,
}

/// `None` for everything that a visitor is told nothing about.
type Maybe<T> = io::Result<Option<T>>;

impl Stamp {
    #[expect(
        clippy::unnecessary_cast,
        reason = "the kernel's types differ between architectures"
    )]
    pub(super) fn of(stat: &Stat) -> Self {
        let time = |seconds: i64, nanoseconds: i64| {
            i128::from(seconds) * 1_000_000_000 + i128::from(nanoseconds)
        };
        Self {
            device: stat.st_dev as u64,
            inode: stat.st_ino as u64,
            length: u64::try_from(stat.st_size).unwrap_or_default(),
            modified: time(stat.st_mtime as i64, stat.st_mtime_nsec as i64),
            changed: time(stat.st_ctime as i64, stat.st_ctime_nsec as i64),
        }
    }

    /// True if a further change since `now` could not hide behind the same stamp.
    pub(super) fn is_settled(&self, now: SystemTime) -> bool {
        let now = now
            .duration_since(SystemTime::UNIX_EPOCH)
            .map_or(0, |since| since.as_nanos());
        let now = i128::try_from(now).unwrap_or(i128::MAX);
        let coarse = i128::try_from(COARSE.as_nanos()).unwrap_or(0);
        self.modified.max(self.changed) + coarse < now
    }
}

impl Root {
    /// Opens `path`. It is looked up each time: a deployment may have put another directory there.
    pub(super) fn open(path: &Path, symlinks_inside: bool) -> Maybe<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = maybe(openat(CWD, path, flags, Mode::empty()))?;
        Ok(directory.map(|directory| Self {
            directory,
            symlinks_inside,
        }))
    }

    /// What `path` leads to. Opens nothing that could notice, such as a device.
    pub(super) fn look(&self, path: &Path) -> Maybe<Kind> {
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let Some(found) = maybe(self.beneath(path, flags))? else {
            return Ok(None);
        };
        let stat = fstat(&found)?;
        Ok(match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Some(Kind::File(Stamp::of(&stat))),
            FileType::Directory => Some(Kind::Directory),
            _ => None,
        })
    }

    /// Opens a file for reading.
    pub(super) fn file(&self, path: &Path) -> Maybe<(File, Stamp)> {
        let Some(file) = maybe(self.beneath(path, READ))? else {
            return Ok(None);
        };
        let stat = fstat(&file)?;
        let regular = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
        Ok(regular.then(|| (File::from(file), Stamp::of(&stat))))
    }

    /// Opens a directory for reading.
    pub(super) fn directory(&self, path: &Path) -> Maybe<OwnedFd> {
        let path = if path.as_os_str().is_empty() {
            Path::new(".")
        } else {
            path
        };
        maybe(self.beneath(path, READ | OFlags::DIRECTORY))
    }

    fn beneath(&self, path: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
        let mut resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        if !self.symlinks_inside {
            resolve |= ResolveFlags::NO_SYMLINKS;
        }
        match openat2(&self.directory, path, flags, Mode::empty(), resolve) {
            // Kernels before 5.6, and sandboxes that do not know the call: no links there.
            Err(Errno::NOSYS | Errno::PERM) => step_by_step(&self.directory, path, flags),
            // A rename happened meanwhile.
            Err(Errno::AGAIN) => openat2(&self.directory, path, flags, Mode::empty(), resolve),
            outcome => outcome,
        }
    }
}

/// NONBLOCK: if a pipe has taken the file's place meanwhile, opening it must not wait for its writer.
const READ: OFlags = OFlags::RDONLY
    .union(OFlags::CLOEXEC)
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY);

/// The same without `openat2`: one part after the other, none of them a symbolic link. No part is `..`.
pub(super) fn step_by_step(root: &OwnedFd, path: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
    let directory = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let mut at = openat(root, ".", directory, Mode::empty())?;
    let mut parts = path.components().peekable();
    while let Some(part) = parts.next() {
        let part = part.as_os_str();
        if parts.peek().is_none() {
            let found = openat(&at, part, flags | OFlags::NOFOLLOW, Mode::empty())?;
            // With PATH the link itself is opened instead of refused.
            let mode = fstat(&found)?.st_mode;
            return match FileType::from_raw_mode(mode) {
                FileType::Symlink => Err(Errno::LOOP),
                _ => Ok(found),
            };
        }
        at = openat(&at, part, directory, Mode::empty())?;
    }
    openat(&at, ".", flags, Mode::empty())
}

fn maybe<T>(outcome: Result<T, Errno>) -> Maybe<T> {
    match outcome {
        Ok(found) => Ok(Some(found)),
        // XDEV: left the directory. LOOP: a symbolic link. The others speak for themselves.
        Err(
            Errno::NOENT
            | Errno::NOTDIR
            | Errno::ISDIR
            | Errno::XDEV
            | Errno::LOOP
            | Errno::ACCESS
            | Errno::NAMETOOLONG
            | Errno::NXIO,
        ) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
