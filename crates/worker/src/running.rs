//! What runs now: for giving it back at the end of a drain, and for stopping what is not ours any more.

use std::collections::HashMap;
use std::sync::Arc;

use kiuas_queue::broker::Delivery;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

/// The deliveries in this worker's hands. Clones share one list.
#[derive(Debug, Clone, Default)]
pub(crate) struct Running {
    entries: Arc<Mutex<HashMap<String, Entry>>>,
}

#[derive(Debug)]
struct Entry {
    delivery: Arc<Delivery>,
    lost: CancellationToken,
}

/// Keeps a delivery on the list until it is ended by [`Guard::ended`]; one that is dropped before that
/// (its task was stopped) stays there and is given back.
#[derive(Debug)]
pub(crate) struct Guard {
    running: Running,
    tag: String,
    lost: CancellationToken,
}

impl Running {
    pub(crate) fn add(&self, delivery: &Arc<Delivery>) -> Guard {
        let lost = CancellationToken::new();
        let entry = Entry {
            delivery: Arc::clone(delivery),
            lost: lost.clone(),
        };
        self.entries.lock().insert(delivery.tag.clone(), entry);
        Guard {
            running: self.clone(),
            tag: delivery.tag.clone(),
            lost,
        }
    }

    /// Tells the run of `tag` that somebody else has it now.
    pub(crate) fn lose(&self, tag: &str) {
        if let Some(entry) = self.entries.lock().get(tag) {
            entry.lost.cancel();
        }
    }

    /// Takes what is still on the list.
    pub(crate) fn take_all(&self) -> Vec<Arc<Delivery>> {
        self.entries
            .lock()
            .drain()
            .map(|(_, entry)| entry.delivery)
            .collect()
    }
}

impl Guard {
    /// Resolves when the delivery is not ours any more.
    pub(crate) async fn lost(&self) {
        self.lost.cancelled().await;
    }

    /// The delivery is ended: acknowledged, put aside, or somebody else's.
    pub(crate) fn ended(self) {
        self.running.entries.lock().remove(&self.tag);
    }
}
