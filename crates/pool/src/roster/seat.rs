//! A place for one child that serves, and one that is to replace it.

use super::backoff::Backoff;
use super::{Cause, Child};

#[derive(Debug, Default)]
pub(super) struct Seat {
    pub(super) current: Option<Child>,
    pub(super) incoming: Option<Child>,
    /// Why the child that serves is to be replaced, if it is.
    pub(super) replace: Option<Cause>,
    /// When it may be filled again.
    pub(super) backoff: Backoff,
    /// When a successor may be tried again, outside a roll.
    pub(super) successor: Backoff,
    /// How many children were started in it.
    pub(super) respawns: u64,
}

impl Seat {
    pub(super) fn children(&self) -> impl Iterator<Item = &Child> {
        [&self.current, &self.incoming].into_iter().flatten()
    }

    pub(super) fn children_mut(&mut self) -> impl Iterator<Item = &mut Child> {
        [&mut self.current, &mut self.incoming]
            .into_iter()
            .flatten()
    }

    /// The child that serves leaves if `condition` holds. A successor on its way has the seat then, ready
    /// or not.
    pub(super) fn take_current_if(
        &mut self,
        condition: impl FnOnce(&mut Child) -> bool,
    ) -> Option<Child> {
        let child = self.current.take_if(condition)?;
        self.current = self.incoming.take();
        self.replace = None;
        self.successor.reset();
        Some(child)
    }

    pub(super) fn take_all(&mut self) -> impl Iterator<Item = Child> + use<> {
        [self.current.take(), self.incoming.take()]
            .into_iter()
            .flatten()
    }

    /// True if the child that serves must give way to one of `generation`.
    pub(super) fn is_stale(&self, generation: u64) -> bool {
        let old = |child: &Child| child.generation != generation;
        self.replace.is_some() || self.current.as_ref().is_some_and(old)
    }
}
