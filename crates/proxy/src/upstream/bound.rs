//! One thread's view of an upstream's targets: its connections to each, and whose turn it is.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use super::member::Member;
use super::plan::UpstreamPlan;
use super::pool::{Pool, PoolLimits};

#[derive(Debug)]
pub(super) struct Bound {
    pub(super) generation: u64,
    pub(super) members: Arc<Vec<Arc<Member>>>,
    /// In the order of `members`.
    pub(super) pools: Vec<Rc<Pool>>,
    pub(super) turns: Vec<Cell<i64>>,
}

impl Bound {
    /// The targets in use now. Connections to those that stay are kept.
    pub(super) fn new(plan: &UpstreamPlan, old: Option<&Self>) -> Self {
        let generation = plan.state.generation();
        let members = plan.state.members();
        let limits = PoolLimits {
            idle: plan.idle_timeout,
            age: plan.max_age,
            most: plan.max_idle,
        };
        let pools = members.iter().map(|member| {
            old.and_then(|old| old.pool(member))
                .unwrap_or_else(|| Rc::new(Pool::new(limits)))
        });
        Self {
            generation,
            pools: pools.collect(),
            turns: members.iter().map(|_| Cell::new(0)).collect(),
            members,
        }
    }

    fn pool(&self, member: &Member) -> Option<Rc<Pool>> {
        let index = self.members.iter().position(|one| one.id == member.id)?;
        self.pools.get(index).map(Rc::clone)
    }
}
