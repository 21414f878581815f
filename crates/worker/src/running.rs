//! What runs now: for giving it back at the end of a drain, and for stopping what is not ours any more.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use kiuas_queue::broker::Delivery;
use kiuas_queue::message::Envelope;
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
    began: Timestamp,
    lost: CancellationToken,
    revoked: CancellationToken,
}

/// Something that runs, as the remote control sees it.
#[derive(Debug, Clone)]
pub(crate) struct Work {
    pub(crate) delivery: Arc<Delivery>,
    pub(crate) began: Timestamp,
    revoked: CancellationToken,
}

impl Work {
    /// The task's id. Read anew each time: nobody asks often.
    pub(crate) fn id(&self) -> Option<String> {
        let envelope = Envelope::parse(&self.delivery.raw).ok()?;
        Some(envelope.headers.id)
    }

    /// Stops it.
    pub(crate) fn revoke(&self) {
        self.revoked.cancel();
    }
}

/// Keeps a delivery on the list until it is ended by [`Guard::ended`]; one that is dropped before that
/// (its task was stopped) stays there and is given back.
#[derive(Debug)]
pub(crate) struct Guard {
    running: Running,
    tag: String,
    lost: CancellationToken,
    revoked: CancellationToken,
}

impl Running {
    pub(crate) fn add(&self, delivery: &Arc<Delivery>) -> Guard {
        let (lost, revoked) = (CancellationToken::new(), CancellationToken::new());
        let entry = Entry {
            delivery: Arc::clone(delivery),
            began: Timestamp::now(),
            lost: lost.clone(),
            revoked: revoked.clone(),
        };
        self.entries.lock().insert(delivery.tag.clone(), entry);
        Guard {
            running: self.clone(),
            tag: delivery.tag.clone(),
            lost,
            revoked,
        }
    }

    /// Tells the run of `tag` that somebody else has it now.
    pub(crate) fn lose(&self, tag: &str) {
        if let Some(entry) = self.entries.lock().get(tag) {
            entry.lost.cancel();
        }
    }

    /// What is on the list now.
    pub(crate) fn works(&self) -> Vec<Work> {
        let entries = self.entries.lock();
        entries
            .values()
            .map(|entry| Work {
                delivery: Arc::clone(&entry.delivery),
                began: entry.began,
                revoked: entry.revoked.clone(),
            })
            .collect()
    }

    pub(crate) fn count(&self) -> usize {
        self.entries.lock().len()
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

    /// Resolves when the task is revoked while it runs.
    pub(crate) async fn revoked(&self) {
        self.revoked.cancelled().await;
    }

    /// The delivery is ended: acknowledged, put aside, or somebody else's.
    pub(crate) fn ended(self) {
        self.running.entries.lock().remove(&self.tag);
    }
}
