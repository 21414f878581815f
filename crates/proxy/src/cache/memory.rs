//! The memory tier: by key, then by what `Vary` names; bounded by bytes; the least used go first.

use std::sync::Arc;

use http::HeaderMap;
use parking_lot::Mutex;
use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter};

use super::entry::Entry;
use super::key::{Key, KeyRef};
use super::vary::Selection;

/// Answers of one key; the oldest goes when there are more.
const MOST_VARIANTS: usize = 32;
/// A part of the map should hold some answers at least.
const LEAST_SHARD: u64 = 8 << 20;
const USUAL_ENTRY: u64 = 8 << 10;

/// The answers of one key, newest first. All vary by the same fields.
#[derive(Debug)]
pub struct Variants {
    entries: Vec<Arc<Entry>>,
    weight: u64,
}

impl Variants {
    fn new(entries: Vec<Arc<Entry>>) -> Self {
        let weight = entries.iter().map(|entry| entry.weight()).sum();
        Self { entries, weight }
    }

    /// The answer for `request`.
    #[must_use]
    pub fn find(&self, request: &HeaderMap) -> Option<&Arc<Entry>> {
        self.entries
            .iter()
            .find(|entry| entry.head.selection.matches(request))
    }

    /// What all of them vary by.
    #[must_use]
    pub fn selection(&self) -> Option<&Selection> {
        self.entries.first().map(|entry| &entry.head.selection)
    }

    /// All of them.
    #[must_use]
    pub fn all(&self) -> &[Arc<Entry>] {
        &self.entries
    }
}

#[derive(Debug, Clone)]
struct ByBytes;

impl Weighter<Key, Arc<Variants>> for ByBytes {
    fn weight(&self, _: &Key, variants: &Arc<Variants>) -> u64 {
        variants.weight
    }
}

/// The memory tier.
#[derive(Debug)]
pub struct Memory {
    entries: Cache<Key, Arc<Variants>, ByBytes>,
    /// Changes of one key come one after another; look-ups know nothing of it.
    changes: [Mutex<()>; 16],
}

impl Memory {
    /// At most `capacity` bytes.
    #[must_use]
    pub fn new(capacity: u64) -> Self {
        let shards = usize::try_from(capacity / LEAST_SHARD)
            .unwrap_or(1)
            .clamp(1, 64);
        let items = usize::try_from(capacity / USUAL_ENTRY)
            .unwrap_or(1)
            .clamp(16, 1 << 20);
        let options = OptionsBuilder::new()
            .weight_capacity(capacity)
            .estimated_items_capacity(items)
            .shards(shards)
            .build();
        let entries = match options {
            Ok(options) => Cache::with_options(
                options,
                ByBytes,
                DefaultHashBuilder::default(),
                DefaultLifecycle::default(),
            ),
            // Only missing numbers are refused, and all are there.
            Err(_) => Cache::with_weighter(items, capacity, ByBytes),
        };
        Self {
            entries,
            changes: std::array::from_fn(|_| Mutex::new(())),
        }
    }

    /// From now on at most `capacity` bytes; what is too much goes at once.
    pub fn resize(&self, capacity: u64) {
        self.entries.set_capacity(capacity);
    }

    /// The answers under `key`.
    #[must_use]
    pub fn get(&self, key: &KeyRef<'_>) -> Option<Arc<Variants>> {
        self.entries.get(key)
    }

    /// Bytes held.
    #[must_use]
    pub fn weight(&self) -> u64 {
        self.entries.weight()
    }

    /// Largest weight of an answer that is kept.
    #[must_use]
    pub fn most_weight(&self) -> u64 {
        self.entries.shard_capacity() / 4
    }

    /// Stores `entry` in the place of older ones for the same requests.
    pub fn put(&self, entry: &Arc<Entry>) {
        let _changing = self.change(&entry.key);
        let old = self.entries.peek(&entry.key);
        let mut entries = vec![Arc::clone(entry)];
        for other in old.iter().flat_map(|old| &old.entries) {
            let (mine, theirs) = (&entry.head.selection, &other.head.selection);
            if mine.is_same_kind(theirs) && mine != theirs && entries.len() < MOST_VARIANTS {
                entries.push(Arc::clone(other));
            }
        }
        let mut variants = Variants::new(entries);
        while variants.weight > self.entries.shard_capacity() && variants.entries.len() > 1 {
            variants.entries.pop();
            variants = Variants::new(variants.entries);
        }
        self.entries.insert(entry.key.clone(), Arc::new(variants));
    }

    /// Forgets everything under `key`.
    pub fn remove(&self, key: &Key) {
        let _changing = self.change(key);
        self.entries.remove(key);
    }

    /// Forgets this one answer, unless it was replaced meanwhile.
    pub fn remove_entry(&self, entry: &Arc<Entry>) {
        self.retain_in(&entry.key, |other| !Arc::ptr_eq(other, entry));
    }

    /// Forgets every answer that `covers` says yes to, or (`soft`) marks it stale. Returns how many.
    pub fn purge(&self, covers: impl Fn(&Entry) -> bool, soft: bool) -> usize {
        let mut count = 0;
        for (key, variants) in self.entries.iter() {
            let mut found = false;
            for entry in variants.entries.iter().filter(|entry| covers(entry)) {
                entry.expire();
                count += 1;
                found = true;
            }
            if found && !soft {
                self.retain_in(&key, |entry| !covers(entry));
            }
        }
        count
    }

    fn retain_in(&self, key: &Key, judge: impl Fn(&Arc<Entry>) -> bool) {
        let _changing = self.change(key);
        let Some(variants) = self.entries.peek(key) else {
            return;
        };
        let kept: Vec<Arc<Entry>> = variants
            .entries
            .iter()
            .filter(|entry| judge(entry))
            .cloned()
            .collect();
        if kept.is_empty() {
            self.entries.remove(key);
        } else if kept.len() < variants.entries.len() {
            self.entries
                .insert(key.clone(), Arc::new(Variants::new(kept)));
        }
    }

    fn change(&self, key: &Key) -> parking_lot::MutexGuard<'_, ()> {
        let index = usize::try_from(key.hash_value() % 16).unwrap_or_default();
        self.changes[index].lock()
    }
}
