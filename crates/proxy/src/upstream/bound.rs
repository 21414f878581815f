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
    pub(super) slots: Vec<Rc<Slot>>,
    pub(super) turns: Vec<Cell<i64>>,
}

/// A target with this thread's connections to it.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) member: Arc<Member>,
    pub(super) pool: Rc<Pool>,
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
        let slots = members.iter().map(|member| {
            old.and_then(|old| old.slot(member)).unwrap_or_else(|| {
                Rc::new(Slot {
                    member: Arc::clone(member),
                    pool: Rc::new(Pool::new(limits)),
                })
            })
        });
        Self {
            generation,
            slots: slots.collect(),
            turns: members.iter().map(|_| Cell::new(0)).collect(),
            members,
        }
    }

    fn slot(&self, member: &Member) -> Option<Rc<Slot>> {
        self.slots
            .iter()
            .find(|slot| slot.member.id == member.id)
            .map(Rc::clone)
    }
}
