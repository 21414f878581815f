//! What the pool keeps at hand of every living child to look at it: its scoreboard, its memory, its
//! control group.

mod last_words;

use std::collections::HashMap;
use std::sync::Arc;

use kiuas_common::scoreboard::{Scoreboard, Snapshot};
use parking_lot::Mutex;
use rustix::process::Pid;

pub(crate) use last_words::LastWords;

use crate::proc::cgroup::{self, MemoryGroup};
use crate::proc::statm::Statm;

/// More ends between two ticks than this are not counted.
const MOST_ENDED: usize = 1024;

/// Where a child is seen from.
#[derive(Debug)]
pub(crate) struct Board {
    pub(crate) pid: Pid,
    scoreboard: Scoreboard,
    statm: Option<Statm>,
    group: Option<MemoryGroup>,
}

impl Board {
    /// What the child says of itself; empty for one that writes no scoreboard.
    pub(crate) fn scoreboard(&self) -> &Scoreboard {
        &self.scoreboard
    }

    /// Resident memory, bytes; `None` once it has ended.
    pub(crate) fn resident(&self) -> Option<u64> {
        self.statm.as_ref()?.resident()
    }
}

/// The children that live, and the out-of-memory kills that have been accounted for. Clones share one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Boards(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    living: HashMap<Pid, Arc<Board>>,
    /// The last boards of those that ended, until the monitor has counted them.
    ended: Vec<(Pid, Snapshot)>,
    /// Kills that somebody's end has explained, by group; `None` is the machine.
    kills: HashMap<Option<MemoryGroup>, Kills>,
}

#[derive(Debug, Clone, Copy)]
struct Kills {
    explained: u64,
    /// More than explained, and seen once: the end that explains it may be on its way to us.
    seen: u64,
}

impl Boards {
    /// A child runs.
    pub(crate) fn started(&self, pid: Pid, scoreboard: Scoreboard) {
        let number = pid.as_raw_nonzero().get();
        let group = MemoryGroup::of(number);
        let board = Board {
            pid,
            scoreboard,
            statm: Statm::open(number),
            group: group.clone(),
        };
        let mut inner = self.0.lock();
        inner.living.insert(pid, Arc::new(board));
        inner.kills.entry(group).or_insert_with_key(|group| {
            let now = oom_kills(group.as_ref()).unwrap_or(0);
            Kills {
                explained: now,
                seen: now,
            }
        });
    }

    /// The board of a child; `None` if there is none such.
    pub(crate) fn get(&self, pid: Pid) -> Option<Arc<Board>> {
        self.0.lock().living.get(&pid).cloned()
    }

    /// A child has ended; `killed` if by SIGKILL that the pool did not send. Says what was running there,
    /// and whether the kernel killed it for want of memory.
    pub(crate) fn ended(&self, pid: Pid, killed: bool) -> LastWords {
        let mut inner = self.0.lock();
        let Some(board) = inner.living.remove(&pid) else {
            return LastWords::default();
        };
        let by_kernel = killed && inner.explain_kill(board.group.as_ref());
        let snapshot = board.scoreboard.snapshot();
        let words = LastWords::of(&snapshot, by_kernel);
        if inner.ended.len() < MOST_ENDED {
            inner.ended.push((pid, snapshot));
        }
        words
    }

    /// The last boards of those that have ended since the last call.
    pub(crate) fn take_ended(&self) -> Vec<(Pid, Snapshot)> {
        std::mem::take(&mut self.0.lock().ended)
    }

    /// Forgets kills that no child's end has explained: they hit other processes of the same group. To be
    /// called once a second or so.
    pub(crate) fn forget_old_kills(&self) {
        for (group, kills) in &mut self.0.lock().kills {
            let now = oom_kills(group.as_ref()).unwrap_or(kills.seen);
            kills.explained = kills.explained.max(kills.seen);
            kills.seen = now;
        }
    }
}

impl Inner {
    fn explain_kill(&mut self, group: Option<&MemoryGroup>) -> bool {
        let Some(kills) = self.kills.get_mut(&group.cloned()) else {
            return false;
        };
        let now = oom_kills(group).unwrap_or(0);
        let unexplained = now > kills.explained;
        if unexplained {
            kills.explained += 1;
            kills.seen = kills.seen.max(kills.explained);
        }
        unexplained
    }
}

fn oom_kills(group: Option<&MemoryGroup>) -> Option<u64> {
    group.map_or_else(cgroup::oom_kills_of_the_machine, MemoryGroup::oom_kills)
}
