//! From a request path to an open file. Two walls: a path with a suspicious part is not looked up at
//! all, and the kernel resolves the rest beneath the directory, following no symbolic link.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use percent_encoding::percent_decode_str;
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat, openat2};
use rustix::io::Errno;

/// Files up to this size are read whole at once.
pub(super) const SMALL: u64 = 64 * 1024;
const INDEX: &str = "index.html";
const MOST_PARTS: usize = 64;

/// An open file.
#[derive(Debug)]
pub(super) struct OpenFile {
    pub(super) file: File,
    pub(super) length: u64,
    pub(super) modified: SystemTime,
    pub(super) modified_nanoseconds: i128,
    /// All of it, if it is small.
    pub(super) content: Option<Bytes>,
    /// Its name, for the media type.
    pub(super) name: PathBuf,
}

#[derive(Debug)]
pub(super) enum Found {
    File(OpenFile),
    /// A directory with an index, asked for without the `/` at its end.
    Directory,
}

#[derive(Debug)]
pub(super) enum OpenError {
    NotFound,
    Failed(io::Error),
}

impl From<Errno> for OpenError {
    fn from(error: Errno) -> Self {
        match error {
            // XDEV: left the directory. LOOP: a symbolic link. The others speak for themselves.
            Errno::NOENT
            | Errno::NOTDIR
            | Errno::XDEV
            | Errno::LOOP
            | Errno::ACCESS
            | Errno::NAMETOOLONG
            | Errno::NXIO => Self::NotFound,
            other => Self::Failed(other.into()),
        }
    }
}

/// The decoded parts of an escaped path; `None` if one of them could leave the directory, is hidden
/// (`.git`, `.env`) or is no file name. Empty parts are dropped as the kernel does.
pub(super) fn parts(path: &str) -> Option<Vec<OsString>> {
    let mut parts = Vec::new();
    for part in path.split('/').filter(|part| !part.is_empty()) {
        let decoded: Vec<u8> = percent_decode_str(part).collect();
        let suspicious = decoded.first() == Some(&b'.')
            || decoded
                .iter()
                .any(|byte| b"/\\\0".contains(byte) || byte.is_ascii_control());
        if suspicious || parts.len() == MOST_PARTS {
            return None;
        }
        parts.push(OsString::from_vec(decoded));
    }
    Some(parts)
}

/// Opens the file below `root`; `directory` says that the path ended in `/`. Blocks.
pub(super) fn open(root: &Path, parts: &[OsString], directory: bool) -> Result<Found, OpenError> {
    let root = openat(
        CWD,
        root,
        OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    )?;
    let path: PathBuf = parts.iter().collect();
    if directory {
        return read(&root, &path.join(INDEX)).map(Found::File);
    }
    match read(&root, &path) {
        Err(OpenError::Failed(error)) if error.kind() == io::ErrorKind::IsADirectory => {
            read(&root, &path.join(INDEX)).map(|_| Found::Directory)
        }
        outcome => outcome.map(Found::File),
    }
}

fn read(root: &OwnedFd, path: &Path) -> Result<OpenFile, OpenError> {
    let file = File::from(beneath(root, path)?);
    let metadata = file.metadata().map_err(OpenError::Failed)?;
    if metadata.is_dir() {
        return Err(OpenError::Failed(io::ErrorKind::IsADirectory.into()));
    }
    if !metadata.is_file() {
        return Err(OpenError::NotFound);
    }
    let length = metadata.len();
    let content = if length <= SMALL {
        Some(whole(&file, length).map_err(OpenError::Failed)?)
    } else {
        None
    };
    Ok(OpenFile {
        length: content.as_ref().map_or(length, |content| {
            u64::try_from(content.len()).unwrap_or(length)
        }),
        modified: metadata.modified().unwrap_or(UNIX_EPOCH),
        modified_nanoseconds: i128::from(metadata.mtime()) * 1_000_000_000
            + i128::from(metadata.mtime_nsec()),
        content,
        name: path.to_owned(),
        file,
    })
}

/// NONBLOCK: opening a named pipe must not wait for its writer.
const FLAGS: OFlags = OFlags::RDONLY
    .union(OFlags::CLOEXEC)
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY);

fn beneath(root: &OwnedFd, path: &Path) -> Result<OwnedFd, Errno> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    match openat2(root, path, FLAGS, Mode::empty(), resolve) {
        // Kernels before 5.6, and sandboxes that do not know the call.
        Err(Errno::NOSYS | Errno::PERM) => step_by_step(root, path),
        // A rename happened meanwhile.
        Err(Errno::AGAIN) => openat2(root, path, FLAGS, Mode::empty(), resolve),
        outcome => outcome,
    }
}

/// The same without `openat2`: one part after the other, none of them a symbolic link. `parts` has
/// made sure that no part is `..`.
pub(super) fn step_by_step(root: &OwnedFd, path: &Path) -> Result<OwnedFd, Errno> {
    let directory = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let mut at = openat(root, ".", directory, Mode::empty())?;
    let mut parts = path.components().peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return openat(
                &at,
                part.as_os_str(),
                FLAGS | OFlags::NOFOLLOW,
                Mode::empty(),
            );
        }
        at = openat(&at, part.as_os_str(), directory, Mode::empty())?;
    }
    openat(&at, ".", FLAGS, Mode::empty())
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

/// Whole seconds, as HTTP dates have them.
pub(super) fn seconds(time: SystemTime) -> SystemTime {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    UNIX_EPOCH + Duration::from_secs(since.as_secs())
}
