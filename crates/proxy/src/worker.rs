//! What one serving thread owns, and what its connections share.

use std::rc::Rc;
use std::sync::Arc;

use kiuas_common::Shutdown;

use crate::meter::Meter;
use crate::plan::Plan;
use crate::pulse::Sweeper;
use crate::upstream::Upstream;

/// What all threads share.
#[derive(Debug, Clone)]
pub struct Shared {
    /// The settings, made.
    pub plan: Arc<Plan>,
    /// The metrics.
    pub meter: Meter,
    /// The end.
    pub shutdown: Shutdown,
    /// Spans are exported: make them.
    pub traces: bool,
    /// Port of the first HTTPS listener, for redirections.
    pub https_port: Option<u16>,
}

/// One thread's part.
#[derive(Debug)]
pub struct Worker {
    /// What all threads share.
    pub shared: Shared,
    /// In the plan's order.
    pub upstreams: Vec<Upstream>,
    /// Watches this thread's connections.
    pub sweeper: Rc<Sweeper>,
}

impl Worker {
    /// Nothing is connected yet.
    #[must_use]
    pub fn new(shared: Shared) -> Self {
        let upstreams = shared
            .plan
            .upstreams
            .iter()
            .map(|plan| Upstream::new(plan, &shared.meter))
            .collect();
        Self {
            shared,
            upstreams,
            sweeper: Rc::default(),
        }
    }
}
