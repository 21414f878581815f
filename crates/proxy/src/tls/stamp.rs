//! What tells one version of a file from another.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// One file's version. A file that is replaced has another inode, one that is written another time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    modified: (i64, i64),
    length: u64,
    inode: u64,
}

/// Versions of several files; those that cannot be seen are missing.
pub(super) type Stamps = HashMap<PathBuf, Stamp>;

/// The versions of `paths` now.
pub(super) fn stamps<'a>(paths: impl IntoIterator<Item = &'a Path>) -> Stamps {
    paths
        .into_iter()
        .filter_map(|path| {
            let metadata = fs::metadata(path).ok()?;
            let stamp = Stamp {
                modified: (metadata.mtime(), metadata.mtime_nsec()),
                length: metadata.len(),
                inode: metadata.ino(),
            };
            Some((path.to_owned(), stamp))
        })
        .collect()
}
