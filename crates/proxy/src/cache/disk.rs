//! The disk tier: one file an answer, bounded by bytes, found again after a restart.
//!
//! Serving threads only ask the index; files are read on the blocking pool and written by a thread of
//! the tier's own. A file is written under a temporary name and renamed when it is whole, and its head and
//! body carry checksums, so that nothing half-written or damaged is ever served: what does not prove good
//! is deleted and counts as not stored. Nothing is flushed by force. After a crash of the program all files
//! are there; after a crash of the machine those that had not reached the disk fail their checksums.
//!
//! When the disk fails or is full, answers are not written, and the cache goes on in memory.

mod format;
mod index;
#[cfg(test)]
mod tests;
mod writer;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};

use http::HeaderMap;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::entry::Entry;
use super::key::{Key, KeyRef};
use super::purge::Purge;
use index::Index;
use writer::{Job, Writer};

/// Answers that wait to be written; more are not written.
const MOST_WAITING: usize = 256;
/// Larger bodies stay on the disk when they are read.
const PROMOTED: u64 = 256 << 10;

/// The disk tier.
#[derive(Debug)]
pub(super) struct Disk {
    shared: Arc<Shared>,
    jobs: SyncSender<Job>,
    found: watch::Receiver<bool>,
}

/// What the serving threads and the writer share.
#[derive(Debug)]
struct Shared {
    directory: PathBuf,
    index: Mutex<Index>,
    /// Another process uses the directory.
    suspended: AtomicBool,
    /// Answers that were not written.
    unwritten: AtomicU64,
}

impl Shared {
    fn path(&self, id: u64) -> PathBuf {
        let name = format!("{id:016x}");
        self.directory.join(&name[..2]).join(&name[2..])
    }

    fn temporary(&self, id: u64) -> PathBuf {
        self.directory.join("tmp").join(format!("{id:016x}"))
    }
}

impl Disk {
    /// In `directory`, at most `capacity` bytes. What lies there already is found in the background.
    ///
    /// # Errors
    /// The directory cannot be made, or no thread.
    pub(super) fn open(directory: &Path, capacity: u64) -> io::Result<Self> {
        std::fs::create_dir_all(directory.join("tmp"))?;
        let shared = Arc::new(Shared {
            directory: directory.to_owned(),
            index: Mutex::new(Index::new(capacity)),
            suspended: AtomicBool::new(false),
            unwritten: AtomicU64::new(0),
        });
        let (jobs, queue) = sync_channel(MOST_WAITING);
        let (tell, found) = watch::channel(false);
        let writer = Writer::new(Arc::clone(&shared), queue, tell);
        std::thread::Builder::new()
            .name("cache-disk".to_owned())
            .spawn(move || writer.run())?;
        Ok(Self {
            shared,
            jobs,
            found,
        })
    }

    /// True if this is the tier in `directory`.
    pub(super) fn is_in(&self, directory: &Path) -> bool {
        self.shared.directory == directory
    }

    /// From now on at most `capacity` bytes.
    pub(super) fn resize(&self, capacity: u64) {
        self.shared.index.lock().resize(capacity);
    }

    /// From now on nothing is written, or it is again.
    pub(super) fn suspend(&self, suspended: bool) {
        self.shared.suspended.store(suspended, Ordering::Relaxed);
    }

    /// Answers that were not written.
    pub(super) fn unwritten(&self) -> u64 {
        self.shared.unwritten.load(Ordering::Relaxed)
    }

    /// Waits until all files of earlier processes are found.
    pub(super) async fn found(&self) {
        // The thread that finds them lives as long as this.
        drop(self.found.clone().wait_for(|found| *found).await);
    }

    /// Writes `entry`, some time. Older answers to the same requests are forgotten at once.
    pub(super) fn put(&self, entry: &Arc<Entry>) {
        let number = {
            let mut index = self.shared.index.lock();
            index.supersede(&entry.key, &entry.head.selection);
            if self.shared.suspended.load(Ordering::Relaxed) {
                return;
            }
            index.enter()
        };
        let job = Job {
            number,
            entry: Arc::clone(entry),
        };
        if self.jobs.try_send(job).is_err() {
            self.shared.index.lock().leave(number);
            self.shared.unwritten.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The answer for `request` under `key`. Blocks only on the pool that is made for it.
    pub(super) async fn get(&self, key: &KeyRef<'_>, request: &HeaderMap) -> Option<Arc<Entry>> {
        let found = self.shared.index.lock().find(key, request)?;
        let shared = Arc::clone(&self.shared);
        let loaded = tokio::task::spawn_blocking(move || {
            let loaded = format::load(&shared.path(found.id), !found.proven, PROMOTED);
            let mut index = shared.index.lock();
            match loaded {
                Ok(entry) => {
                    index.prove(&entry.key, found.id);
                    // Purged while it was read?
                    index.has(&entry.key, found.id).then(|| Arc::new(entry))
                }
                Err(error) => {
                    index.drop_id(found.id);
                    if error.kind() != io::ErrorKind::NotFound {
                        tracing::warn!(%error, "a stored answer cannot be used and is deleted");
                    }
                    None
                }
            }
        });
        loaded.await.ok()?
    }

    /// True if something is stored under `key`, for some request.
    #[must_use]
    pub(super) fn has(&self, key: &KeyRef<'_>) -> bool {
        self.shared.index.lock().has_key(key)
    }

    /// Forgets everything under `key`.
    pub(super) fn remove(&self, key: &Key) {
        self.purge(&Purge::Url(key.clone()));
    }

    /// Forgets the answer that `entry` is a copy of.
    pub(super) fn remove_entry(&self, entry: &Entry) {
        let mut index = self.shared.index.lock();
        index.supersede(&entry.key, &entry.head.selection);
    }

    /// Forgets what `purge` covers, and what of it is still to be written. Returns how many answers.
    pub(super) fn purge(&self, purge: &Purge) -> usize {
        self.shared.index.lock().purge(purge)
    }

    /// Bytes on the disk.
    #[must_use]
    pub(super) fn used(&self) -> u64 {
        self.shared.index.lock().used()
    }
}
