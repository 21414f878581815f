//! Which target gets the next request.

use std::cell::Cell;
use std::sync::Arc;

use super::member::Member;
use crate::settings::Balance;

/// What is chosen from.
pub(super) struct Field<'a> {
    pub(super) members: &'a [Arc<Member>],
    /// The smooth weighted turn of this thread, one number a member.
    pub(super) turns: &'a [Cell<i64>],
    /// Ids of those that this request had already.
    pub(super) tried: &'a [u64],
    pub(super) balance: Balance,
    /// Slow start in milliseconds.
    pub(super) slow: u64,
}

/// The choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Choice {
    /// This one.
    Member(usize),
    /// All that are up have all the requests they may have.
    Full,
    /// None is up.
    Down,
}

impl Field<'_> {
    /// For a request that has tried none: backups only while no other is up, and while none at all is
    /// up (as far as failed requests say), the one that failed longest ago rather than none.
    pub(super) fn first(&self) -> Choice {
        match self.among(false) {
            Choice::Down => match self.among(true) {
                Choice::Down => self.last_resort(),
                choice => choice,
            },
            choice => choice,
        }
    }

    /// For a request whose target failed: anything it has not tried.
    pub(super) fn other(&self) -> Option<usize> {
        let among = |backup| match self.among(backup) {
            Choice::Member(index) => Some(index),
            Choice::Full | Choice::Down => None,
        };
        among(false)
            .or_else(|| among(true))
            .or_else(|| match self.last_resort() {
                Choice::Member(index) => Some(index),
                Choice::Full | Choice::Down => None,
            })
    }

    /// False if nobody is up, so that a choice would be [`Field::last_resort`].
    pub(super) fn is_any_up(&self) -> bool {
        self.members.iter().any(|member| member.is_up())
    }

    fn among(&self, backup: bool) -> Choice {
        let up = |member: &Member| member.spec.backup == backup && member.is_up();
        let mut any = false;
        let mut least = Load::MOST;
        for member in self.members.iter().filter(|member| up(member)) {
            any = true;
            if self.may(member) {
                least = least.min(self.load(member));
            }
        }
        if !any {
            return Choice::Down;
        }
        let equals = |member: &Member| up(member) && self.may(member) && self.load(member) == least;
        self.in_turn(equals)
    }

    /// nginx's smooth weighted round robin.
    fn in_turn(&self, of: impl Fn(&Member) -> bool) -> Choice {
        let mut best: Option<(usize, i64)> = None;
        let mut sum = 0;
        for (index, (member, turn)) in self.members.iter().zip(self.turns).enumerate() {
            if !of(member) {
                continue;
            }
            let share = i64::try_from(member.share(self.slow)).unwrap_or(i64::MAX);
            turn.set(turn.get() + share);
            sum += share;
            if best.is_none_or(|(_, most)| turn.get() > most) {
                best = Some((index, turn.get()));
            }
        }
        let Some((index, turn)) = best else {
            return Choice::Full;
        };
        if let Some(own) = self.turns.get(index) {
            own.set(turn - sum);
        }
        Choice::Member(index)
    }

    fn may(&self, member: &Member) -> bool {
        member.has_room() && !self.tried.contains(&member.id)
    }

    fn load(&self, member: &Member) -> Load {
        match self.balance {
            Balance::RoundRobin => Load::NONE,
            Balance::LeastConnections => Load {
                requests: u64::try_from(member.in_flight()).unwrap_or(u64::MAX),
                share: member.share(self.slow),
            },
        }
    }

    fn last_resort(&self) -> Choice {
        self.members
            .iter()
            .enumerate()
            .filter(|(_, member)| member.is_wanted() && member.has_room())
            .filter(|(_, member)| !self.tried.contains(&member.id))
            .min_by_key(|(_, member)| member.fails.last())
            .map_or(Choice::Down, |(index, _)| Choice::Member(index))
    }
}

/// Requests for a share; compared without dividing.
#[derive(Debug, Clone, Copy)]
struct Load {
    requests: u64,
    share: u64,
}

impl Load {
    const NONE: Self = Self {
        requests: 0,
        share: 1,
    };
    const MOST: Self = Self {
        requests: u64::MAX,
        share: 1,
    };
}

impl PartialEq for Load {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Load {}

impl PartialOrd for Load {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Load {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let own = u128::from(self.requests) * u128::from(other.share);
        own.cmp(&(u128::from(other.requests) * u128::from(self.share)))
    }
}

#[cfg(test)]
mod tests;
