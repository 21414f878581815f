//! The fills under way, by key.

use std::collections::HashMap;
use std::sync::Arc;

use http::HeaderMap;
use parking_lot::Mutex;

use super::Fill;
use crate::cache::key::Key;
use crate::cache::vary::Selection;

/// Fills of one key at a time: one for each group of requests that `Vary` tells apart.
const MOST_OF_A_KEY: usize = 64;

/// All fills under way.
#[derive(Debug)]
pub struct Fills {
    shards: [Mutex<HashMap<Key, Vec<Arc<Fill>>>>; 16],
}

/// What a request that found nothing does.
#[derive(Debug)]
pub enum Place {
    /// It fetches the answer itself, for everybody.
    Lead(Arc<Fill>),
    /// Another one is fetching it.
    Join(Arc<Fill>),
}

impl Default for Fills {
    fn default() -> Self {
        Self {
            shards: std::array::from_fn(|_| Mutex::default()),
        }
    }
}

impl Fills {
    /// A place for `request`. `expected`: what the answer has varied by so far.
    #[must_use]
    pub fn enter(&self, key: &Key, request: &HeaderMap, expected: Option<&Selection>) -> Place {
        let mut shard = self.shard(key).lock();
        let fills = shard.entry(key.clone()).or_default();
        if let Some(fill) = fills.iter().find(|fill| fill.suits(request)) {
            return Place::Join(Arc::clone(fill));
        }
        let fill = Fill::new(expected.map(|selection| selection.of(request)));
        if fills.len() < MOST_OF_A_KEY {
            fills.push(Arc::clone(&fill));
        }
        Place::Lead(fill)
    }

    /// It is over.
    pub fn leave(&self, key: &Key, fill: &Arc<Fill>) {
        let mut shard = self.shard(key).lock();
        if let Some(fills) = shard.get_mut(key) {
            fills.retain(|other| !Arc::ptr_eq(other, fill));
            if fills.is_empty() {
                shard.remove(key);
            }
        }
    }

    /// Nothing under way for `key` is stored.
    pub fn doom(&self, key: &Key) {
        if let Some(fills) = self.shard(key).lock().get(key) {
            fills.iter().for_each(|fill| fill.doom());
        }
    }

    /// Nothing under way for keys of which `judge` says so is stored.
    pub fn doom_all(&self, judge: impl Fn(&Key) -> bool) {
        for shard in &self.shards {
            for (key, fills) in shard.lock().iter() {
                if judge(key) {
                    fills.iter().for_each(|fill| fill.doom());
                }
            }
        }
    }

    fn shard(&self, key: &Key) -> &Mutex<HashMap<Key, Vec<Arc<Fill>>>> {
        let index = usize::try_from(key.hash_value() % 16).unwrap_or_default();
        &self.shards[index]
    }
}
