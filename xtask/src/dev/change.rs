//! What has changed in the sources: by content, so that saving a file unchanged builds nothing.

use std::collections::BTreeMap;
use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::Hasher;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// What is looked at, relative to the checkout.
pub(super) const WATCHED: [&str; 4] = ["crates", "migrations", "config", "Cargo.toml"];

/// The watched files of one moment.
#[derive(Debug, Default, Clone)]
pub(super) struct Snapshot {
    files: BTreeMap<PathBuf, Stamp>,
}

#[derive(Debug, Clone, Copy)]
struct Stamp {
    written: Option<SystemTime>,
    length: u64,
    content: u64,
}

/// What a change asks for.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Change {
    /// The files, relative to the checkout.
    pub(super) files: Vec<PathBuf>,
    /// A migration is new or different.
    pub(super) migrations: bool,
    /// Settings are new or different.
    pub(super) settings: bool,
}

impl Snapshot {
    /// The files under `root` now. Those that `before` has read and that were not written since are not
    /// read again.
    pub(super) fn take(root: &Path, before: &Self) -> Self {
        let mut this = Self::default();
        for top in WATCHED {
            this.add(root, Path::new(top), before);
        }
        this
    }

    fn add(&mut self, root: &Path, path: &Path, before: &Self) {
        let Ok(metadata) = root.join(path).symlink_metadata() else {
            // It has just gone; then it is no part of this moment.
            return;
        };
        if metadata.is_dir() {
            let Ok(entries) = fs::read_dir(root.join(path)) else {
                return;
            };
            for entry in entries.flatten() {
                if !is_passing(&entry.file_name().to_string_lossy()) {
                    self.add(root, &path.join(entry.file_name()), before);
                }
            }
            return;
        }
        let (written, length) = (metadata.modified().ok(), metadata.len());
        let known = before
            .files
            .get(path)
            .filter(|stamp| stamp.written.is_some() && stamp.written == written)
            .filter(|stamp| stamp.length == length);
        let content = match known {
            Some(stamp) => stamp.content,
            None => {
                let Ok(bytes) = fs::read(root.join(path)) else {
                    return;
                };
                let mut hasher = DefaultHasher::new();
                hasher.write(&bytes);
                hasher.finish()
            }
        };
        let stamp = Stamp {
            written,
            length,
            content,
        };
        self.files.insert(path.to_owned(), stamp);
    }

    /// What is different in `after`; `None` when nothing is.
    pub(super) fn difference(&self, after: &Self) -> Option<Change> {
        let content =
            |snapshot: &Self, path: &PathBuf| snapshot.files.get(path).map(|stamp| stamp.content);
        let mut files: Vec<_> = self
            .files
            .keys()
            .chain(after.files.keys())
            .filter(|path| content(self, path) != content(after, path))
            .cloned()
            .collect();
        files.sort();
        files.dedup();
        if files.is_empty() {
            return None;
        }
        let within = |top: &str| files.iter().any(|path| path.starts_with(top));
        Some(Change {
            migrations: within("migrations") || within("crates/migrate/migrations"),
            settings: within("config"),
            files,
        })
    }
}

impl Change {
    /// This and a later change together.
    pub(super) fn and(mut self, later: Self) -> Self {
        self.files.extend(later.files);
        self.files.sort();
        self.files.dedup();
        Self {
            files: self.files,
            migrations: self.migrations || later.migrations,
            settings: self.settings || later.settings,
        }
    }

    /// The files in one short line.
    pub(super) fn summary(&self) -> String {
        let first = self
            .files
            .first()
            .map_or_else(String::new, |path| path.display().to_string());
        match self.files.len() {
            0 | 1 => first,
            count => format!("{first} and {} more", count - 1),
        }
    }
}

/// Files that editors and tools make in passing.
pub(super) fn is_passing(name: &str) -> bool {
    name.starts_with('.')
        || name.starts_with('#')
        || name.ends_with('~')
        || name.ends_with(".swp")
        || name.ends_with(".swx")
        || name.ends_with(".tmp")
        || name.ends_with(".orig")
        || name == "target"
        // Vim asks whether it may write by making this file.
        || name == "4913"
}
