//! The plan in force, swapped as a whole while threads read it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;

use super::Plan;

/// The plan in force and how often it was swapped.
#[derive(Debug)]
pub struct Plans {
    generation: AtomicU64,
    current: ArcSwap<Plan>,
}

impl Plans {
    /// The first plan.
    #[must_use]
    pub fn new(plan: Plan) -> Self {
        Self {
            generation: AtomicU64::new(0),
            current: ArcSwap::from_pointee(plan),
        }
    }

    /// Counts the swaps: whoever remembers the number knows by a look whether its copy is current.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// The plan in force, with a generation that is never newer than it.
    #[must_use]
    pub fn current(&self) -> (u64, Arc<Plan>) {
        let generation = self.generation();
        (generation, self.current.load_full())
    }

    /// The plan in force.
    #[must_use]
    pub fn get(&self) -> Arc<Plan> {
        self.current.load_full()
    }

    /// From now on `plan` is in force. What it has in common with the old one (upstreams with the same
    /// settings) is taken over.
    pub fn swap(&self, mut plan: Plan) {
        plan.take_over(&self.current.load());
        self.current.store(Arc::new(plan));
        self.generation.fetch_add(1, Ordering::Release);
    }
}
