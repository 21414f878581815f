//! What lies on the disk, and what must not come to lie there any more.

use std::collections::{HashMap, HashSet, VecDeque};

use http::HeaderMap;
use quick_cache::Equivalent;

use crate::cache::key::{Key, KeyRef};
use crate::cache::purge::Purge;
use crate::cache::vary::Selection;

/// Purges that are remembered for what is still to be written; beyond that, nothing waiting is written.
const MOST_DROPS: usize = 1024;

/// One file.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) id: u64,
    pub(super) selection: Selection,
    pub(super) tags: Vec<Box<str>>,
    /// Bytes of the file.
    pub(super) size: u64,
    /// Its body was written by us or has passed its checksum since the start.
    pub(super) proven: bool,
}

/// What a look-up needs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    pub(super) id: u64,
    pub(super) proven: bool,
}

/// All files.
#[derive(Debug)]
pub(super) struct Index {
    capacity: u64,
    used: u64,
    keys: HashMap<Key, Vec<Slot>>,
    /// For eviction: the oldest in front; one that was used since it came there gets another round.
    clock: VecDeque<(u64, Key)>,
    touched: HashSet<u64>,
    /// Files to delete.
    garbage: Vec<u64>,
    /// Numbers of what waits to be written, in order.
    waiting: VecDeque<u64>,
    next: u64,
    drops: Vec<(u64, Purge)>,
    /// Files of an earlier process are still being found.
    scanning: bool,
}

impl Index {
    pub(super) fn new(capacity: u64) -> Self {
        Self {
            capacity,
            used: 0,
            keys: HashMap::new(),
            clock: VecDeque::new(),
            touched: HashSet::new(),
            garbage: Vec::new(),
            waiting: VecDeque::new(),
            next: 1,
            drops: Vec::new(),
            scanning: true,
        }
    }

    /// From now on at most `capacity` bytes; what is too much is forgotten at once.
    pub(super) fn resize(&mut self, capacity: u64) {
        self.capacity = capacity;
        self.evict(0);
    }

    pub(super) fn used(&self) -> u64 {
        self.used
    }

    pub(super) fn find(&mut self, key: &KeyRef<'_>, request: &HeaderMap) -> Option<Found> {
        let slots = self.get(key)?;
        let slot = slots.iter().find(|slot| slot.selection.matches(request))?;
        let found = Found {
            id: slot.id,
            proven: slot.proven,
        };
        self.touched.insert(found.id);
        Some(found)
    }

    pub(super) fn has_key(&self, key: &KeyRef<'_>) -> bool {
        self.get(key).is_some()
    }

    /// Only after the memory tier had nothing: making the key is cheap enough.
    fn get(&self, key: &KeyRef<'_>) -> Option<&Vec<Slot>> {
        let owned = key.to_key();
        debug_assert!(key.equivalent(&owned));
        self.keys.get(&owned)
    }

    pub(super) fn has(&self, key: &Key, id: u64) -> bool {
        self.keys
            .get(key)
            .is_some_and(|slots| slots.iter().any(|slot| slot.id == id))
    }

    pub(super) fn prove(&mut self, key: &Key, id: u64) {
        let slots = self.keys.get_mut(key).into_iter().flatten();
        for slot in slots.filter(|slot| slot.id == id) {
            slot.proven = true;
        }
    }

    /// A number for something that will be written.
    pub(super) fn enter(&mut self) -> u64 {
        let number = self.next;
        self.next += 1;
        self.waiting.push_back(number);
        number
    }

    /// It is written, or will not be.
    pub(super) fn leave(&mut self, number: u64) {
        self.waiting.retain(|other| *other != number);
        self.forget_drops();
    }

    #[cfg(test)]
    pub(super) fn is_scanning(&self) -> bool {
        self.scanning
    }

    #[cfg(test)]
    pub(super) fn is_idle(&self) -> bool {
        self.waiting.is_empty()
    }

    /// All files of earlier processes are found.
    pub(super) fn scanned(&mut self) {
        self.scanning = false;
        self.forget_drops();
    }

    fn forget_drops(&mut self) {
        if self.scanning {
            return;
        }
        let oldest = self.waiting.front().copied().unwrap_or(u64::MAX);
        self.drops.retain(|(number, _)| *number > oldest);
    }

    /// True if something with this number (0: of an earlier process) was purged meanwhile.
    pub(super) fn is_dropped(&self, number: u64, key: &Key, tags: &[Box<str>]) -> bool {
        self.drops
            .iter()
            .any(|(since, purge)| *since > number && purge.covers_stored(key, tags))
    }

    /// A file is there. Of an earlier process (`number` 0), what is newer wins.
    pub(super) fn add(&mut self, key: Key, slot: Slot, number: u64) {
        let known = self.keys.get(&key).is_some_and(|slots| {
            slots.iter().any(|other| {
                other.selection == slot.selection || !other.selection.is_same_kind(&slot.selection)
            })
        });
        let unwanted = self.is_dropped(number, &key, &slot.tags) || (number == 0 && known);
        if unwanted || slot.size > self.capacity {
            self.garbage.push(slot.id);
            return;
        }
        self.supersede(&key, &slot.selection);
        // Before it is there itself: what is new was never used, and would go first.
        self.evict(slot.size);
        self.used += slot.size;
        self.clock.push_back((slot.id, key.clone()));
        self.keys.entry(key).or_default().push(slot);
    }

    /// Forgets older answers to the same requests.
    pub(super) fn supersede(&mut self, key: &Key, selection: &Selection) {
        self.remove_where(key, |slot| {
            slot.selection == *selection || !slot.selection.is_same_kind(selection)
        });
    }

    /// Forgets the file with this id.
    pub(super) fn drop_id(&mut self, id: u64) {
        let keys: Vec<Key> = self
            .clock
            .iter()
            .filter(|(other, _)| *other == id)
            .map(|(_, key)| key.clone())
            .collect();
        for key in keys {
            self.remove_where(&key, |slot| slot.id == id);
        }
    }

    pub(super) fn purge(&mut self, purge: &Purge) -> usize {
        self.note_drop(purge);
        if let Purge::Url(key) = purge {
            return self.remove_where(key, |_| true);
        }
        let keys: Vec<Key> = self.keys.keys().cloned().collect();
        keys.iter()
            .map(|key| self.remove_where(key, |slot| purge.covers_stored(key, &slot.tags)))
            .sum()
    }

    fn note_drop(&mut self, purge: &Purge) {
        if self.waiting.is_empty() && !self.scanning {
            return;
        }
        let number = self.next;
        self.next += 1;
        if self.drops.len() >= MOST_DROPS {
            self.drops.clear();
            self.drops.push((number, Purge::All));
        } else {
            self.drops.push((number, purge.clone()));
        }
    }

    fn remove_where(&mut self, key: &Key, judge: impl Fn(&Slot) -> bool) -> usize {
        let Some(slots) = self.keys.get_mut(key) else {
            return 0;
        };
        let before = slots.len();
        let (used, garbage) = (&mut self.used, &mut self.garbage);
        slots.retain(|slot| {
            let goes = judge(slot);
            if goes {
                *used = used.saturating_sub(slot.size);
                garbage.push(slot.id);
            }
            !goes
        });
        let removed = before - slots.len();
        if slots.is_empty() {
            self.keys.remove(key);
        }
        removed
    }

    fn evict(&mut self, room: u64) {
        while self.used.saturating_add(room) > self.capacity {
            let Some((id, key)) = self.clock.pop_front() else {
                return;
            };
            if self.touched.remove(&id) && self.has(&key, id) {
                self.clock.push_back((id, key));
            } else {
                self.remove_where(&key, |slot| slot.id == id);
            }
        }
    }

    /// Files to delete. What was deleted leaves the clock as well, now and then.
    pub(super) fn take_garbage(&mut self) -> Vec<u64> {
        let files = self.keys.values().map(Vec::len).sum::<usize>();
        if self.clock.len() > 2 * files + 1024 {
            let alive: HashSet<u64> = self.keys.values().flatten().map(|slot| slot.id).collect();
            self.clock.retain(|(id, _)| alive.contains(id));
            self.touched.retain(|id| alive.contains(id));
        }
        std::mem::take(&mut self.garbage)
    }
}
