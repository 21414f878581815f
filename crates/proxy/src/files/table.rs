//! The table of hot files: one for each thread, so that nobody waits for another.
//!
//! What it says is at most `revalidate` old: the first request after that looks at the disk (on the
//! blocking pool), others go on with what is known for a moment. Bounded by memory and by number; what
//! is asked for once pushes out nothing that is asked for often.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::hash::{Hash, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant};

use quick_cache::unsync::{Cache, DefaultLifecycle};
use quick_cache::{Equivalent, UnitWeighter, Weighter};

use super::entry::Entry;
use super::find::Found;
use crate::plan::HotFiles;

/// Paths longer than this are always looked up: they could fill the memory.
const LONGEST_PATH: usize = 512;
/// What a file costs beside its content.
const OVERHEAD: u64 = 2048;
/// So long others may go on with what is known while one looks at the disk.
const LEASE: Duration = Duration::from_millis(100);
/// That there is no file is believed no longer than this.
const MISSING: Duration = Duration::from_secs(1);

/// One thread's table.
pub struct Table {
    found: RefCell<Cache<Key, Slot, Weight, RandomState>>,
    missing: RefCell<Cache<Key, Instant, UnitWeighter, RandomState>>,
    hot: HotFiles,
}

/// What the table knows.
#[derive(Debug)]
pub(super) enum Known {
    /// This is there.
    Found(Found),
    /// Nothing is there.
    Missing,
    /// Look; this was there before.
    Unsure(Option<Arc<Entry>>),
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Key {
    files: u64,
    path: Box<str>,
}

/// [`Key`], borrowed.
#[derive(Hash)]
struct Asked<'a> {
    files: u64,
    path: &'a str,
}

impl Equivalent<Key> for Asked<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        self.files == key.files && *self.path == *key.path
    }
}

#[derive(Debug)]
struct Slot {
    found: Found,
    checked: Cell<Instant>,
}

#[derive(Clone)]
struct Weight {
    /// Keeps the number of entries bounded too.
    least: u64,
}

impl Weighter<Key, Slot> for Weight {
    fn weight(&self, _: &Key, slot: &Slot) -> u64 {
        let own = match &slot.found {
            Found::File(entry) => entry.weight(),
            _ => 0,
        };
        (own + OVERHEAD).max(self.least)
    }
}

impl Table {
    /// An empty one.
    #[must_use]
    pub fn new(hot: HotFiles) -> Self {
        let entries = u64::try_from(hot.entries).unwrap_or(u64::MAX).max(1);
        let capacity = hot.memory.max(entries.saturating_mul(OVERHEAD));
        let weight = Weight {
            least: capacity / entries,
        };
        Self {
            found: RefCell::new(Cache::with(
                hot.entries,
                capacity,
                weight,
                RandomState::new(),
                DefaultLifecycle::default(),
            )),
            missing: RefCell::new(Cache::with(
                hot.entries / 4 + 1,
                entries / 4 + 1,
                UnitWeighter,
                RandomState::new(),
                DefaultLifecycle::default(),
            )),
            hot,
        }
    }

    /// The bounds.
    #[must_use]
    pub fn hot(&self) -> &HotFiles {
        &self.hot
    }

    /// What is known of `path` below the directory with the id `files`.
    pub(super) fn known(&self, files: u64, path: &str, now: Instant) -> Known {
        let asked = Asked { files, path };
        if let Some(slot) = self.found.borrow().get(&asked) {
            let age = now.saturating_duration_since(slot.checked.get());
            if age < self.hot.revalidate {
                return Known::Found(slot.found.clone());
            }
            // Others see this as checked for a moment: they would all look at once.
            if let Some(before) = now.checked_sub(self.hot.revalidate) {
                slot.checked.set(before + LEASE.min(self.hot.revalidate));
            }
            return Known::Unsure(match &slot.found {
                Found::File(entry) => Some(Arc::clone(entry)),
                _ => None,
            });
        }
        let missing = self.hot.revalidate.min(MISSING);
        match self.missing.borrow().get(&asked) {
            Some(since) if now.saturating_duration_since(*since) < missing => Known::Missing,
            _ => Known::Unsure(None),
        }
    }

    /// `found` lay under `path` when it was looked for at `now`.
    pub(super) fn learn(&self, files: u64, path: &str, found: Option<&Found>, now: Instant) {
        let asked = Asked { files, path };
        if path.len() > LONGEST_PATH || matches!(found, Some(Found::Listing(_))) {
            return;
        }
        let key = Key {
            files,
            path: path.into(),
        };
        match found {
            Some(found) => {
                self.missing.borrow_mut().remove(&asked);
                let slot = Slot {
                    found: found.clone(),
                    checked: Cell::new(now),
                };
                self.found.borrow_mut().insert(key, slot);
            }
            None => {
                self.found.borrow_mut().remove(&asked);
                self.missing.borrow_mut().insert(key, now);
            }
        }
    }

    /// Forgets `path`.
    pub(super) fn forget(&self, files: u64, path: &str) {
        self.found.borrow_mut().remove(&Asked { files, path });
    }

    /// Forgets everything, and so lets go of the open files.
    pub(super) fn clear(&self) {
        self.found.borrow_mut().clear();
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table")
            .field("found", &self.found.borrow().len())
            .field("missing", &self.missing.borrow().len())
            .finish_non_exhaustive()
    }
}
