//! What `/proc` says about a process: small readers, each for one file.
//!
//! A process may name itself as it likes and end while it is read, so every text is taken for anything at
//! all: a reader returns what it understood, or nothing, and reads a bounded number of bytes.

pub(crate) mod cgroup;
pub(crate) mod family;
pub(crate) mod files;
pub(crate) mod maps;
pub(crate) mod rollup;
pub(crate) mod stat;
pub(crate) mod statm;
pub(crate) mod thread;

use std::fs::File;
use std::io::Read;
use std::path::Path;

/// More than any file read here says about a sane process, `maps` aside.
const LONGEST: u64 = 64 * 1024;

/// The beginning of a text file; `None` if it cannot be read, mostly because the process is gone.
fn read(path: impl AsRef<Path>) -> Option<String> {
    read_up_to(path, LONGEST)
}

fn read_up_to(path: impl AsRef<Path>, longest: u64) -> Option<String> {
    let mut bytes = Vec::new();
    let file = File::open(path).ok()?;
    file.take(longest).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// The number after `name:` in files of the form `Name:   123 kB`, in bytes.
fn kilobytes(text: &str, name: &str) -> Option<u64> {
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    let number: u64 = value.trim().strip_suffix("kB")?.trim().parse().ok()?;
    number.checked_mul(1024)
}

#[cfg(test)]
mod tests;
