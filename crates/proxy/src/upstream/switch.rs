//! What an operator does to an upstream by hand: a pause, maintenance.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;

use crate::maintenance::Maintenance;

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
