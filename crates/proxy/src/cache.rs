//! The shared response cache (RFC 9111, 5861, 9211, 9213).
//!
//! Policy is pure ([`control`], [`targeted`], [`vary`], [`policy`]) and knows no store. [`memory`] holds
//! what is stored, [`fill`] what is on its way, [`serve`] makes answers of it. The phases that call all
//! this are in [`crate::exchange`].
//!
//! A look-up takes one lock of the sharded map, for reading, and copies nothing but a head.

mod collector;
pub mod control;
pub mod date;
mod disk;
pub mod entry;
mod explain;
pub mod fill;
pub mod key;
pub mod memory;
pub mod policy;
mod purge;
mod range;
pub mod rules;
pub mod serve;
pub mod status;
pub mod targeted;
pub mod vary;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
pub use collector::CacheCollector;
use disk::Disk;
use entry::Entry;
pub use explain::Explained;
use fill::Fills;
use http::HeaderMap;
pub use key::{Key, KeyRef};
use memory::{Memory, Variants};
pub use purge::{Purge, Purged};
use quick_cache::sync::Cache as Map;

/// Keys that are remembered as not storable.
const MOST_PASSES: usize = 8192;
/// For so long requests for such a key do not wait for each other, in milliseconds.
const PASS: u64 = 10_000;

/// How much the cache may hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capacity {
    /// Bytes in memory.
    pub memory: u64,
    /// Where on the disk, and how many bytes there.
    pub disk: Option<(PathBuf, u64)>,
}

/// The cache, shared by all threads. It survives a reload.
#[derive(Debug)]
pub struct Cache {
    memory: Memory,
    disk: ArcSwapOption<Disk>,
    /// What is on its way.
    pub fills: Fills,
    passes: Map<u64, u64>,
    filling: AtomicU64,
    most_filling: AtomicU64,
}

/// What a change of the capacity needs, made before anything changes.
#[derive(Debug)]
pub struct Change {
    capacity: Capacity,
    /// A tier in another directory.
    disk: Option<Disk>,
}

impl Cache {
    /// Empty, but for what is found on the disk some time.
    ///
    /// # Errors
    /// The directory cannot be used.
    pub fn new(capacity: &Capacity) -> io::Result<Self> {
        let disk = match &capacity.disk {
            Some((directory, bytes)) => Some(Arc::new(Disk::open(directory, *bytes)?)),
            None => None,
        };
        Ok(Self {
            memory: Memory::new(capacity.memory),
            disk: ArcSwapOption::new(disk),
            fills: Fills::default(),
            passes: Map::new(MOST_PASSES),
            filling: AtomicU64::new(0),
            most_filling: AtomicU64::new(capacity.memory),
        })
    }

    /// Gets ready for another capacity.
    ///
    /// # Errors
    /// The directory cannot be used.
    pub fn prepare(&self, capacity: &Capacity) -> io::Result<Change> {
        let disk = match &capacity.disk {
            Some((directory, bytes)) if !self.is_in(directory) => {
                Some(Disk::open(directory, *bytes)?)
            }
            _ => None,
        };
        Ok(Change {
            capacity: capacity.clone(),
            disk,
        })
    }

    /// Takes the other capacity. What still fits stays; files in a directory that is no longer named stay
    /// there, and nobody looks at them.
    pub fn change(&self, change: Change) {
        let Change { capacity, disk } = change;
        self.memory.resize(capacity.memory);
        self.most_filling.store(capacity.memory, Ordering::Relaxed);
        match (disk, &capacity.disk) {
            (Some(disk), _) => self.disk.store(Some(Arc::new(disk))),
            (None, Some((_, bytes))) => {
                if let Some(disk) = &*self.disk.load() {
                    disk.resize(*bytes);
                }
            }
            (None, None) => self.disk.store(None),
        }
    }

    fn is_in(&self, directory: &Path) -> bool {
        let disk = self.disk.load();
        disk.as_ref().is_some_and(|disk| disk.is_in(directory))
    }

    /// What is in memory under `key`.
    #[must_use]
    pub fn get(&self, key: &KeyRef<'_>) -> Option<Arc<Variants>> {
        self.memory.get(key)
    }

    /// What the disk has for `request` under `key`; from here on it is in memory, if there is room.
    pub async fn fetch(&self, key: &KeyRef<'_>, request: &HeaderMap) -> Option<Arc<Entry>> {
        let disk = self.disk.load_full()?;
        let entry = disk.get(key, request).await?;
        if entry.weight() <= self.memory.most_weight() {
            self.memory.put(&entry);
        }
        Some(entry)
    }

    /// True if there is a disk that has something under `key`.
    #[must_use]
    pub fn is_on_disk(&self, key: &KeyRef<'_>) -> bool {
        let disk = self.disk.load();
        disk.as_ref().is_some_and(|disk| disk.has(key))
    }

    /// Stores an answer.
    pub fn store(&self, entry: &Arc<Entry>) {
        if entry.weight() <= self.memory.most_weight() {
            self.memory.put(entry);
        } else {
            self.memory.remove(&entry.key);
        }
        if let Some(disk) = &*self.disk.load() {
            disk.put(entry);
        }
    }

    /// Forgets one answer.
    pub fn remove(&self, entry: &Arc<Entry>) {
        self.memory.remove_entry(entry);
        if let Some(disk) = &*self.disk.load() {
            disk.remove_entry(entry);
        }
    }

    /// One answer does not hold any more: it is validated before its next use.
    pub fn expire(&self, entry: &Arc<Entry>) {
        entry.expire();
        if let Some(disk) = &*self.disk.load() {
            disk.remove_entry(entry);
        }
    }

    /// Forgets everything under `key`, also what is on its way (RFC 9111 4.4).
    pub fn invalidate(&self, key: &Key) {
        self.fills.doom(key);
        self.memory.remove(key);
        if let Some(disk) = &*self.disk.load() {
            disk.remove(key);
        }
    }

    /// Bytes held in memory.
    #[must_use]
    pub fn memory_used(&self) -> u64 {
        self.memory.weight()
    }

    /// Bytes held on the disk.
    #[must_use]
    pub fn disk_used(&self) -> u64 {
        let disk = self.disk.load();
        disk.as_ref().map_or(0, |disk| disk.used())
    }

    /// Answers that the disk did not take.
    #[must_use]
    pub fn unwritten(&self) -> u64 {
        let disk = self.disk.load();
        disk.as_ref().map_or(0, |disk| disk.unwritten())
    }

    /// Another process is about to use the same directory (`true`), or does not after all: until then
    /// nothing is written there.
    pub fn suspend_writes(&self, suspended: bool) {
        if let Some(disk) = &*self.disk.load() {
            disk.suspend(suspended);
        }
    }

    /// Waits until everything is found that earlier processes left on the disk, at most so long.
    pub async fn found(&self, patience: Duration) {
        if let Some(disk) = self.disk.load_full() {
            let in_time = tokio::time::timeout(patience, disk.found()).await;
            if in_time.is_err() {
                tracing::info!(
                    "answers on the disk are still being found: until then they are fetched anew"
                );
            }
        }
    }

    /// The last answer for `key` was not storable: requests for it need not wait for each other.
    pub fn note_pass(&self, key: &KeyRef<'_>, now: u64) {
        self.passes.insert(key.hash_value(), now + PASS);
    }

    /// An answer for `key` is stored.
    pub fn forget_pass(&self, key: &KeyRef<'_>) {
        self.passes.remove(&key.hash_value());
    }

    /// True if requests for `key` do not wait for each other.
    #[must_use]
    pub fn is_passed(&self, key: &KeyRef<'_>, now: u64) -> bool {
        self.passes
            .get(&key.hash_value())
            .is_some_and(|until| now < until)
    }

    /// Room for answers on their way; none is left when as much is on its way as the memory tier holds.
    #[must_use]
    pub fn reserve(self: &Arc<Self>) -> Reserved {
        Reserved {
            cache: Arc::clone(self),
            bytes: 0,
        }
    }
}

/// Bytes that an answer on its way takes.
#[derive(Debug)]
pub struct Reserved {
    cache: Arc<Cache>,
    bytes: u64,
}

impl Reserved {
    /// Takes `bytes` more; false if that is too much.
    #[must_use]
    pub fn grow(&mut self, bytes: u64) -> bool {
        let all = self.cache.filling.fetch_add(bytes, Ordering::Relaxed);
        self.bytes += bytes;
        all.saturating_add(bytes) <= self.cache.most_filling.load(Ordering::Relaxed)
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.cache.filling.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}
