//! Names for the addresses on a stack: function, file and line, from the program that the process was
//! started from, whatever lies at its path now.
//!
//! Reading a program's tables takes some ten milliseconds and megabytes, so they are kept for a while: a
//! second stuck request of the same version is named at once.

mod futures;

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use addr2line::Loader;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::proc::maps::{Maps, Place};

/// Tables that nobody has asked for this long are forgotten.
const KEEP: Duration = Duration::from_secs(120);
/// A stack crosses the program and a few libraries.
const MOST_FILES: usize = 8;
/// Longer names are cut.
const LONGEST_NAME: usize = 200;

/// One call on a stack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Frame {
    /// Where in the process's memory.
    pub(crate) address: u64,
    /// The function's name.
    pub(crate) function: Option<String>,
    /// Source file and line, `src/page.rs:12`; without symbols the file of the program and the offset.
    pub(crate) place: Option<String>,
    /// It belongs to a library, or nobody knows: not the application's own code.
    #[serde(default)]
    pub(crate) library: bool,
}

impl Frame {
    /// Stands for calls of a deep stack that were left out.
    pub(crate) fn gap(calls: u64) -> Self {
        Self {
            address: 0,
            function: Some(format!("… {calls} more calls …")),
            place: None,
            library: true,
        }
    }
}

impl std::fmt::Display for Frame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (&self.function, &self.place) {
            (Some(function), Some(place)) => write!(f, "{function} at {place}"),
            (Some(text), None) | (None, Some(text)) => f.write_str(text),
            (None, None) => write!(f, "{:#x}", self.address),
        }
    }
}

/// Device and inode: the file, not its name.
type Key = (u64, u64);

/// The tables of programs that were asked for lately.
#[derive(Default)]
pub(crate) struct Symbols(Mutex<HashMap<Key, Entry>>);

impl std::fmt::Debug for Symbols {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Symbols").finish_non_exhaustive()
    }
}

struct Entry {
    loader: Option<Loader>,
    is_fixed: bool,
    used: Instant,
}

impl Symbols {
    /// Reads the tables of the program of process `pid` on a thread of their own, unless they are read
    /// already, so that [`Symbols::name`] is quick.
    pub(crate) fn prepare(self: &Arc<Self>, pid: i32) {
        let path = program(pid);
        let Some(key) = key(&path) else {
            return;
        };
        // The lock is held for long only by somebody who reads or uses tables already.
        if self
            .0
            .try_lock()
            .is_none_or(|entries| entries.contains_key(&key))
        {
            return;
        }
        let symbols = Arc::clone(self);
        drop(tokio::task::spawn_blocking(move || {
            symbols
                .0
                .lock()
                .entry(key)
                .or_insert_with(|| Entry::load(&path));
        }));
    }

    /// Names `addresses` of process `pid`, innermost first; a call that was compiled into its caller has
    /// a frame of its own. It reads files: not for the thread that supervises.
    pub(crate) fn name(&self, pid: i32, addresses: &[u64]) -> Vec<Frame> {
        let maps = Maps::of(pid).unwrap_or_default();
        let mut files = HashMap::new();
        let mut frames = Vec::new();
        let mut entries = self.0.lock();
        for &address in addresses {
            let Some(place) = maps.find(address) else {
                frames.push(unnamed(address));
                continue;
            };
            if !files.contains_key(place.path) && files.len() < MOST_FILES {
                let file = file(pid, place.path);
                files.insert(place.path.clone(), key(&file).map(|key| (key, file)));
            }
            let entry = files.get(place.path).and_then(Option::as_ref);
            let entry =
                entry.map(|(key, path)| entries.entry(*key).or_insert_with(|| Entry::load(path)));
            match entry {
                Some(entry) => entry.name(address, &place, &mut frames),
                None => frames.push(offset(address, &place)),
            }
        }
        futures::name(&mut frames);
        frames
    }

    /// Forgets what was not used for a while.
    pub(crate) fn forget_unused(&self) {
        let now = Instant::now();
        // The tables are being read, and in use, when the lock is held.
        if let Some(mut entries) = self.0.try_lock() {
            entries.retain(|_, entry| now.duration_since(entry.used) < KEEP);
        }
    }
}

impl Entry {
    fn load(path: &Path) -> Self {
        Self {
            loader: Loader::new(path).ok(),
            is_fixed: is_fixed(path),
            used: Instant::now(),
        }
    }

    fn name(&mut self, address: u64, place: &Place<'_>, frames: &mut Vec<Frame>) {
        self.used = Instant::now();
        let before = frames.len();
        let base = if self.is_fixed { 0 } else { place.base };
        let relative = address.wrapping_sub(base);
        if let Some(loader) = &self.loader {
            from_lines(loader, address, relative, frames);
            let symbol = loader.find_symbol(relative).map(demangled);
            match frames.get_mut(before..).and_then(<[Frame]>::last_mut) {
                // With line tables alone, only calls that were compiled in have names of their own.
                Some(outermost) => outermost.function = outermost.function.take().or(symbol),
                None if symbol.is_some() => frames.push(Frame {
                    function: symbol,
                    ..offset(address, place)
                }),
                None => {}
            }
        }
        if frames.len() == before {
            frames.push(offset(address, place));
        }
    }
}

fn from_lines(loader: &Loader, address: u64, relative: u64, frames: &mut Vec<Frame>) {
    let Ok(mut found) = loader.find_frames(relative) else {
        return;
    };
    while let Ok(Some(frame)) = found.next() {
        let function = frame.function.as_ref().and_then(|name| {
            let name = name.demangle().ok()?;
            Some(shortened(&name))
        });
        let source = frame.location.as_ref().and_then(|location| location.file);
        let place = source.map(|file| {
            let line = frame.location.as_ref().and_then(|location| location.line);
            let file = brief(file);
            line.map_or(file.clone(), |line| format!("{file}:{line}"))
        });
        if function.is_some() || place.is_some() {
            frames.push(Frame {
                address,
                function,
                place,
                library: source.is_none_or(is_library),
            });
        }
    }
}

fn demangled(symbol: &str) -> String {
    shortened(&addr2line::demangle_auto(symbol.into(), None))
}

fn unnamed(address: u64) -> Frame {
    Frame {
        address,
        function: None,
        place: None,
        library: true,
    }
}

fn offset(address: u64, place: &Place<'_>) -> Frame {
    let name = place.path.file_name().unwrap_or_default().to_string_lossy();
    let offset = address.wrapping_sub(place.base);
    Frame {
        place: Some(format!("{name}+{offset:#x}")),
        ..unnamed(address)
    }
}

/// The end of a source file's path that tells it from its namesakes: from `src`'s parent on.
fn brief(path: &str) -> String {
    let parts: Vec<&str> = path.split('/').collect();
    let source = parts
        .iter()
        .rposition(|part| matches!(*part, "src" | "examples" | "tests"));
    let from = match source {
        Some(at) => at.saturating_sub(1),
        None => parts.len().saturating_sub(2),
    };
    let kept = parts.get(from..).unwrap_or_default().join("/");
    kept.trim_start_matches('/').to_owned()
}

/// True for a source file of the standard library or of a package that Cargo brought.
fn is_library(path: &str) -> bool {
    const PLACES: [&str; 4] = [
        "/rustc/",
        "/registry/src/",
        "/git/checkouts/",
        "/rustlib/src/",
    ];
    PLACES.iter().any(|place| path.contains(place))
}

/// Without the hash at the end, and cut.
fn shortened(name: &str) -> String {
    let name = match name.rsplit_once("::h") {
        Some((rest, hash)) if hash.len() == 16 && hash.bytes().all(|b| b.is_ascii_hexdigit()) => {
            rest
        }
        _ => name,
    };
    name.chars()
        .filter(|c| !c.is_control())
        .take(LONGEST_NAME)
        .collect()
}

/// The program of a process: by its path if that still is the same file, because its split debug
/// information lies beside it, else through the kernel.
fn program(pid: i32) -> PathBuf {
    let pinned = PathBuf::from(format!("/proc/{pid}/exe"));
    match std::fs::read_link(&pinned) {
        Ok(path) if key(&path).is_some() && key(&path) == key(&pinned) => path,
        _ => pinned,
    }
}

/// Where a mapped file can be opened.
fn file(pid: i32, mapped: &Path) -> PathBuf {
    let is_program = std::fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|it| it == mapped);
    if is_program {
        return program(pid);
    }
    // As the process sees it: it may live in a container.
    let inside = mapped.strip_prefix("/").unwrap_or(mapped);
    Path::new(&format!("/proc/{pid}/root")).join(inside)
}

fn key(path: &Path) -> Option<Key> {
    let metadata = std::fs::metadata(path)
        .ok()
        .filter(std::fs::Metadata::is_file)?;
    Some((metadata.dev(), metadata.ino()))
}

/// `ET_EXEC` in the ELF header: linked for a fixed address.
fn is_fixed(path: &Path) -> bool {
    const KIND: u64 = 16;
    let mut kind = [0; 2];
    let read = File::open(path).and_then(|file| file.read_exact_at(&mut kind, KIND));
    read.is_ok() && u16::from_ne_bytes(kind) == 2
}

#[cfg(test)]
mod tests;
