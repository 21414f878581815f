//! One fill a key and process at a time.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use tokio::sync::OwnedMutexGuard;

type Turn = tokio::sync::Mutex<()>;

/// The keys that are being filled. It holds no more than there are callers waiting or filling, because
/// each entry is weak and every new one sweeps the dead.
#[derive(Debug, Clone, Default)]
pub(super) struct Flights {
    turns: Arc<Mutex<HashMap<String, Weak<Turn>>>>,
}

impl Flights {
    /// Waits until nobody in this process fills `key`; the guard keeps the others waiting.
    pub(super) async fn turn(&self, key: &str) -> OwnedMutexGuard<()> {
        let turn = self.find(key);
        turn.lock_owned().await
    }

    fn find(&self, key: &str) -> Arc<Turn> {
        let mut turns = self.turns.lock();
        if let Some(turn) = turns.get(key).and_then(Weak::upgrade) {
            return turn;
        }
        turns.retain(|_, turn| turn.strong_count() > 0);
        let turn = Arc::new(Turn::default());
        turns.insert(key.to_owned(), Arc::downgrade(&turn));
        turn
    }
}
