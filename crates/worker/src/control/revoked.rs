//! Tasks that are not to run.

use std::collections::{HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

/// Most that are remembered, as Celery's `CELERY_WORKER_REVOKES_MAX`; the oldest are forgotten first.
const MOST: usize = 50_000;

/// A bounded set that is empty most of the time.
#[derive(Debug, Default)]
pub(crate) struct Revoked {
    any: AtomicBool,
    ids: Mutex<Ids>,
}

#[derive(Debug, Default)]
struct Ids {
    known: HashSet<String>,
    order: VecDeque<String>,
}

impl Revoked {
    pub(crate) fn add(&self, id: String) {
        let mut ids = self.ids.lock();
        if ids.known.insert(id.clone()) {
            ids.order.push_back(id);
        }
        if ids.order.len() > MOST
            && let Some(oldest) = ids.order.pop_front()
        {
            ids.known.remove(&oldest);
        }
        self.any.store(true, Ordering::Release);
    }

    pub(crate) fn contains(&self, id: &str) -> bool {
        self.any.load(Ordering::Acquire) && self.ids.lock().known.contains(id)
    }

    /// All of them, oldest first.
    pub(crate) fn all(&self) -> Vec<String> {
        self.ids.lock().order.iter().cloned().collect()
    }
}
