//! Writes files so that a crash leaves the old or the new one, never half of one, and so that a
//! private key is never readable by others, not even for a moment.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::TlsError;

const PRIVATE: u32 = 0o600;
const PUBLIC: u32 = 0o644;

pub(super) fn write_private(path: &Path, text: &str) -> Result<(), TlsError> {
    write(path, text, PRIVATE)
}

pub(super) fn write_public(path: &Path, text: &str) -> Result<(), TlsError> {
    write(path, text, PUBLIC)
}

fn write(path: &Path, text: &str, mode: u32) -> Result<(), TlsError> {
    let temporary = path.with_extension(format!("new-{}", std::process::id()));
    replace(path, &temporary, text, mode).map_err(|source| TlsError::File {
        path: path.to_owned(),
        source,
    })
}

fn replace(path: &Path, temporary: &Path, text: &str, mode: u32) -> io::Result<()> {
    // What a crashed process with our id left behind.
    drop(fs::remove_file(temporary));
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(temporary)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(temporary, path)
}
