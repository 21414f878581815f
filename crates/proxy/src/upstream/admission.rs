//! How many requests an application gets at a time, and how many may wait for their turn.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A bounded queue, first come first served, in front of a bounded number of places.
#[derive(Debug)]
pub struct Admission {
    places: Arc<Semaphore>,
    waiting: AtomicUsize,
    most_waiting: usize,
    patience: Duration,
}

/// A place; it is free again when this is dropped.
#[derive(Debug)]
pub struct Admitted(#[expect(dead_code, reason = "held for its drop")] OwnedSemaphorePermit);

impl Admission {
    /// `places` requests at a time, `most_waiting` in the queue for at most `patience`.
    #[must_use]
    pub fn new(places: usize, most_waiting: usize, patience: Duration) -> Self {
        Self {
            places: Arc::new(Semaphore::new(places.min(Semaphore::MAX_PERMITS))),
            waiting: AtomicUsize::new(0),
            most_waiting,
            patience,
        }
    }

    /// A place; `None` if the queue is full or the wait took too long.
    pub async fn enter(&self) -> Option<Admitted> {
        if let Ok(permit) = Arc::clone(&self.places).try_acquire_owned() {
            return Some(Admitted(permit));
        }
        let _waiting = Waiting::new(&self.waiting, self.most_waiting)?;
        let place = Arc::clone(&self.places).acquire_owned();
        tokio::time::timeout(self.patience, place)
            .await
            .ok()?
            .ok()
            .map(Admitted)
    }
}

/// Counts one who waits, also when it gives up.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicUsize, most: usize) -> Option<Self> {
        let waiting = Self(count);
        (count.fetch_add(1, Ordering::AcqRel) < most).then_some(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_full_queue_turns_away_at_once_and_a_wait_has_an_end() {
        let admission = Admission::new(1, 1, Duration::from_millis(50));
        let place = admission.enter().await.expect("the first place");
        let (waited, turned_away) = tokio::join!(admission.enter(), admission.enter());
        assert!(waited.is_none() && turned_away.is_none());
        drop(place);
        assert!(admission.enter().await.is_some());
    }

    #[tokio::test]
    async fn who_waits_gets_the_place_that_becomes_free() {
        let admission = Admission::new(1, 1, Duration::from_secs(5));
        let place = admission.enter().await.expect("the first place");
        let free = async {
            tokio::task::yield_now().await;
            drop(place);
        };
        let (waited, ()) = tokio::join!(admission.enter(), free);
        assert!(waited.is_some());
    }
}
