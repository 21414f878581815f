//! How many requests an application gets at a time, and how many may wait for their turn.
//!
//! Getting a place and giving it back are one atomic operation each; only who waits takes a lock. Who
//! waits asks again whenever something changed: a place became free, a target came up, a pause ended.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use super::clock;

/// A bounded number of places, and a bounded queue, first come first served, in front of them.
#[derive(Debug)]
pub(super) struct Admission {
    active: AtomicUsize,
    places: AtomicUsize,
    waiting: AtomicUsize,
    most_waiting: AtomicUsize,
    patience: AtomicU64,
    changed: Notify,
}

/// Bounds of an [`Admission`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Requests at a time.
    pub(super) places: usize,
    /// In the queue.
    pub(super) most_waiting: usize,
    /// For how long.
    pub(super) patience: Duration,
}

impl Admission {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self {
            active: AtomicUsize::new(0),
            places: AtomicUsize::new(bounds.places),
            waiting: AtomicUsize::new(0),
            most_waiting: AtomicUsize::new(bounds.most_waiting),
            patience: AtomicU64::new(clock::millis(bounds.patience)),
            changed: Notify::new(),
        }
    }

    /// New bounds; who is in stays in.
    pub(super) fn set(&self, bounds: Bounds) {
        self.places.store(bounds.places, Ordering::SeqCst);
        self.most_waiting
            .store(bounds.most_waiting, Ordering::SeqCst);
        self.patience
            .store(clock::millis(bounds.patience), Ordering::SeqCst);
        self.wake_all();
    }

    /// Takes a place, if one is free.
    pub(super) fn take(&self) -> bool {
        let places = self.places.load(Ordering::Relaxed);
        let more = |active: usize| (active < places).then_some(active + 1);
        self.active
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, more)
            .is_ok()
    }

    /// Gives a place back.
    pub(super) fn give_back(&self) {
        self.put_back();
        self.wake_one();
    }

    /// Gives back a place of which no use was made, without waking anybody: what stood in the way
    /// stands in everybody's way, and one that waits would wake itself.
    pub(super) fn put_back(&self) {
        self.active.fetch_sub(1, Ordering::SeqCst);
    }

    /// Something changed for one who waits.
    pub(super) fn wake_one(&self) {
        if self.waiting.load(Ordering::SeqCst) > 0 {
            self.changed.notify_one();
        }
    }

    /// Something changed for all who wait.
    pub(super) fn wake_all(&self) {
        self.changed.notify_waiters();
    }

    /// Requests that have a place.
    pub(super) fn active(&self) -> usize {
        self.active.load(Ordering::Relaxed)
    }

    /// Requests in the queue.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// How long one waits for a place.
    pub(super) fn patience(&self) -> Duration {
        Duration::from_millis(self.patience.load(Ordering::Relaxed))
    }

    /// Joins the queue; `None` if it is full.
    pub(super) fn queue(&self) -> Option<Waiting<'_>> {
        let waiting = Waiting(self);
        let most = self.most_waiting.load(Ordering::Relaxed);
        (self.waiting.fetch_add(1, Ordering::SeqCst) < most).then_some(waiting)
    }
}

/// Counts one who waits, also when it gives up.
pub(super) struct Waiting<'a>(&'a Admission);

impl Waiting<'_> {
    /// The next change. Begin to listen before looking, or the change in between is missed.
    pub(super) fn changed(&self) -> Notified<'_> {
        self.0.changed.notified()
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::SeqCst);
        // What woke this one may be good for the next one too.
        self.0.wake_one();
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures_util::FutureExt;

    use super::*;

    fn one_place() -> Admission {
        Admission::new(Bounds {
            places: 1,
            most_waiting: 1,
            patience: Duration::from_secs(5),
        })
    }

    #[test]
    fn places_and_queue_are_bounded() {
        let admission = one_place();
        assert!(admission.take() && !admission.take());
        let waiting = admission.queue().expect("the queue's place");
        assert!(admission.queue().is_none());
        assert_eq!((admission.active(), admission.waiting()), (1, 1));
        drop(waiting);
        assert!(admission.queue().is_some());
        admission.give_back();
        assert!(admission.take());
    }

    #[test]
    fn a_place_given_back_wakes_the_one_who_waits() {
        let admission = one_place();
        assert!(admission.take());
        let waiting = admission.queue().expect("the queue's place");
        let mut changed = pin!(waiting.changed());
        changed.as_mut().enable();
        admission.put_back();
        assert!(changed.as_mut().now_or_never().is_none());
        assert!(admission.take());
        admission.give_back();
        assert!(changed.now_or_never().is_some());
    }

    #[test]
    fn fewer_places_take_nobodys_away() {
        let admission = one_place();
        assert!(admission.take());
        admission.set(Bounds {
            places: 0,
            most_waiting: 1,
            patience: Duration::ZERO,
        });
        assert_eq!(admission.active(), 1);
        admission.give_back();
        assert!(!admission.take());
    }
}
