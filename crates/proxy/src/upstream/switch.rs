//! What an operator does to an upstream or a site by hand: a pause, maintenance.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;

use crate::plan::Network;

/// What is done with requests.
#[derive(Debug, Clone, Default)]
pub enum Mode {
    /// They pass.
    #[default]
    Open,
    /// Each is held for so long, and then turned away.
    Paused(Duration),
    /// They are turned away.
    Maintenance(Arc<Maintenance>),
}

/// Work is being done.
#[derive(Debug)]
pub struct Maintenance {
    /// What visitors are told beside.
    pub message: String,
    /// Who passes all the same.
    pub allow: Vec<Network>,
}

impl Maintenance {
    /// True if `client` passes.
    #[must_use]
    pub fn lets_pass(&self, client: Option<IpAddr>) -> bool {
        client.is_some_and(|client| self.allow.iter().any(|one| one.contains(client)))
    }
}

/// A [`Mode`] that costs one look while it is [`Mode::Open`].
#[derive(Debug, Default)]
pub struct Switch {
    set: AtomicBool,
    mode: ArcSwap<Mode>,
}

impl Switch {
    /// What is done; `None` while requests pass.
    #[must_use]
    pub fn mode(&self) -> Option<Arc<Mode>> {
        self.set
            .load(Ordering::Acquire)
            .then(|| self.mode.load_full())
    }

    /// From now on.
    pub fn set(&self, mode: Mode) {
        let set = !matches!(mode, Mode::Open);
        self.mode.store(Arc::new(mode));
        self.set.store(set, Ordering::Release);
    }
}
