//! Looks at every connection of a thread, a few times in the shortest limit.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::victim::{Reason, rank};
use super::{Order, Pulse};
use crate::clock;
use crate::plan::Limits;
use crate::worker::ThreadPlan;

const SHORTEST: Duration = Duration::from_millis(20);
const LONGEST: Duration = Duration::from_secs(1);

/// Of so many connections one ends when there is no place.
const PART: usize = 256;
const MOST_AT_ONCE: usize = 32;

/// How far the drain is, as connections see it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// There is none.
    #[default]
    Serving,
    /// It has begun: HTTP/2 has a word for it (GOAWAY). An HTTP/1 visitor may just be sending a request
    /// into an idle connection: for a short grace such requests are answered, with `Connection: close`.
    Begun,
    /// The grace is over.
    GraceOver,
    /// So is the drain: what is left is cut.
    Over,
}

/// The connections of one thread.
#[derive(Debug, Default)]
pub struct Sweeper {
    pulses: RefCell<Vec<(Weak<Pulse>, Stage)>>,
    /// Where to look next for one that has ended.
    looked_at: Cell<usize>,
    stage: Cell<Stage>,
}

impl Sweeper {
    /// A new connection's pulse; `ends_at` is the stage of the drain that ends it.
    pub fn watch(&self, ends_at: Stage) -> Arc<Pulse> {
        let pulse = Arc::new(Pulse::new());
        let stage = self.stage.get();
        if stage == Stage::Over {
            pulse.tell(Order::Cut);
        } else if stage >= ends_at {
            pulse.tell(Order::Finish);
        }
        self.forget_some();
        let watched = (Arc::downgrade(&pulse), ends_at);
        self.pulses.borrow_mut().push(watched);
        pulse
    }

    /// Looks at two connections: where many come and go, their memory is used again at once.
    fn forget_some(&self) {
        let mut pulses = self.pulses.borrow_mut();
        for _ in 0..2 {
            let at = self.looked_at.get();
            match pulses.get(at) {
                Some((pulse, _)) if pulse.strong_count() == 0 => drop(pulses.swap_remove(at)),
                Some(_) => self.looked_at.set(at + 1),
                None => self.looked_at.set(0),
            }
        }
    }

    /// True from the drain's beginning on, as soon as this thread knows it.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.stage.get() != Stage::Serving
    }

    /// The drain goes on: tells the connections that end at `stage`.
    pub fn enter(&self, stage: Stage) {
        self.stage.set(stage);
        for (pulse, ends_at) in self.pulses.borrow().iter() {
            let order = match stage {
                Stage::Over => Order::Cut,
                _ if *ends_at == stage => Order::Finish,
                _ => continue,
            };
            if let Some(pulse) = pulse.upgrade() {
                pulse.tell(order);
            }
        }
    }

    /// Ends a few of the least useful connections of this thread, so that others find a place: `tell`
    /// hears of each. False if there are none.
    pub fn make_room(&self, tell: impl Fn(Reason)) -> bool {
        // A look at all of them is dear: several at a time, but a small part of all.
        let count = (self.pulses.borrow().len() / PART).clamp(1, MOST_AT_ONCE);
        self.evict(count, |_| true, tell)
    }

    /// Ends up to `count` connections of visitors who do not read, or slowly.
    pub fn end_stalled(&self, count: usize, tell: impl Fn(Reason)) {
        let reads = |reason| !matches!(reason, Reason::Stalled | Reason::SlowReader);
        self.evict(count, |reason| !reads(reason), tell);
    }

    /// True if at least one ends.
    fn evict(&self, count: usize, wanted: impl Fn(Reason) -> bool, tell: impl Fn(Reason)) -> bool {
        let now = clock::milliseconds();
        let mut victims: Vec<((Reason, u64), Arc<Pulse>)> = self
            .pulses
            .borrow()
            .iter()
            .filter_map(|(pulse, _)| pulse.upgrade())
            .filter_map(|pulse| Some((rank(&pulse, now)?, pulse)))
            .filter(|((reason, _), _)| wanted(*reason))
            .collect();
        if count < victims.len() {
            victims.select_nth_unstable_by_key(count, |(rank, _)| *rank);
            victims.truncate(count);
        }
        for ((reason, _), pulse) in &victims {
            pulse.evict();
            tell(*reason);
        }
        !victims.is_empty()
    }

    /// Sweeps for ever; `round` runs at each round and gives the limits in force.
    pub async fn run(self: Rc<Self>, round: impl Fn() -> Rc<ThreadPlan>) {
        loop {
            let plan = round();
            self.sweep(&plan.limits);
            let pause = pace(&plan.limits);
            drop(plan);
            tokio::time::sleep(pause).await;
        }
    }

    fn sweep(&self, limits: &Limits) {
        let now = clock::milliseconds();
        self.pulses.borrow_mut().retain(|(pulse, _)| {
            pulse
                .upgrade()
                .inspect(|pulse| pulse.judge(limits, now))
                .is_some()
        });
    }
}

/// Between two rounds: a small part of the shortest limit.
fn pace(limits: &Limits) -> Duration {
    let limit = limits.head.min(limits.keep_alive).min(limits.write_pause);
    (limit / 8).clamp(SHORTEST, LONGEST)
}
