//! What a child was doing when it ended.

use std::fmt;

use kiuas_common::scoreboard::{SlotView, Snapshot};

/// More are counted and not named.
const MOST_NAMED: usize = 8;

/// The last state of a child's board.
#[derive(Debug, Clone, Default)]
pub(crate) struct LastWords {
    /// The oldest of what was running, each with its age.
    pub(crate) running: Vec<String>,
    /// How many more there were.
    pub(crate) more: usize,
    /// The kernel killed it because its group, or the machine, had no memory left.
    pub(crate) out_of_memory: bool,
}

impl LastWords {
    pub(super) fn of(snapshot: &Snapshot, out_of_memory: bool) -> Self {
        let mut slots: Vec<&SlotView> = snapshot.slots.iter().collect();
        slots.sort_by_key(|slot| slot.started);
        let named = slots.iter().take(MOST_NAMED);
        let name = |slot: &&SlotView| crate::watch::words::running(slot, snapshot.taken_at);
        Self {
            running: named.map(name).collect(),
            more: slots.len().saturating_sub(MOST_NAMED),
            out_of_memory,
        }
    }
}

impl fmt::Display for LastWords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.running.is_empty() {
            return f.write_str("nothing");
        }
        f.write_str(&self.running.join(", "))?;
        match self.more {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}
