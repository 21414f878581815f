//! Places for visitors' connections, all threads together; their number may change while they are taken.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{AcquireError, Notify, OwnedSemaphorePermit, Semaphore};

/// Places for connections.
#[derive(Debug)]
pub struct Places {
    free: Arc<Semaphore>,
    state: Mutex<State>,
    wanted: Notify,
}

#[derive(Debug)]
struct State {
    most: usize,
    /// To be taken away as they become free.
    owed: usize,
}

impl Places {
    /// So many.
    #[must_use]
    pub fn new(most: usize) -> Self {
        let most = most.min(Semaphore::MAX_PERMITS);
        Self {
            free: Arc::new(Semaphore::new(most)),
            state: Mutex::new(State { most, owed: 0 }),
            wanted: Notify::new(),
        }
    }

    /// Waits for a place.
    ///
    /// # Errors
    /// Never: the semaphore is not closed.
    pub async fn take(&self) -> Result<OwnedSemaphorePermit, AcquireError> {
        loop {
            let permit = Arc::clone(&self.free).acquire_owned().await?;
            let mut state = self.state.lock();
            if state.owed == 0 {
                return Ok(permit);
            }
            state.owed -= 1;
            drop(state);
            permit.forget();
        }
    }

    /// Asks every thread to make room.
    pub fn want(&self) {
        self.wanted.notify_waiters();
    }

    /// Resolves when another thread needs a place.
    pub async fn wanted(&self) {
        self.wanted.notified().await;
    }

    /// From now on there are `most`. Connections above that stay; no new one begins until enough of them
    /// have ended.
    pub fn resize(&self, most: usize) {
        let most = most.min(Semaphore::MAX_PERMITS);
        let mut state = self.state.lock();
        let (before, owed) = (state.most, state.owed);
        state.most = most;
        // What is in circulation now is `before + owed` places.
        let circulating = before + owed;
        if most >= circulating {
            state.owed = 0;
            self.free.add_permits(most - circulating);
        } else {
            let excess = circulating - most;
            state.owed = excess - self.free.forget_permits(excess);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn try_take(places: &Places) -> Option<OwnedSemaphorePermit> {
        places.take().now_or_never()?.ok()
    }

    #[test]
    fn fewer_places_take_effect_as_connections_end() {
        let places = Places::new(3);
        let mut taken: Vec<_> = (0..3).filter_map(|_| try_take(&places)).collect();
        places.resize(1);
        assert!(try_take(&places).is_none());
        taken.pop();
        taken.pop();
        assert!(try_take(&places).is_none());
        taken.pop();
        let only = try_take(&places);
        assert!(only.is_some() && try_take(&places).is_none());
    }

    #[test]
    fn more_places_are_there_at_once() {
        let places = Places::new(2);
        let _taken: Vec<_> = (0..2).filter_map(|_| try_take(&places)).collect();
        places.resize(1);
        places.resize(4);
        let more: Vec<_> = std::iter::from_fn(|| try_take(&places)).collect();
        assert_eq!(more.len(), 2);
    }
}
