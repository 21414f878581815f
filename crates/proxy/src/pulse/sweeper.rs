//! Looks at every connection of a thread, a few times in the shortest limit.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::Pulse;
use crate::plan::Limits;
use crate::worker::ThreadPlan;

const SHORTEST: Duration = Duration::from_millis(20);
const LONGEST: Duration = Duration::from_secs(1);

/// The connections of one thread.
#[derive(Debug, Default)]
pub struct Sweeper {
    pulses: RefCell<Vec<Weak<Pulse>>>,
}

impl Sweeper {
    /// A new connection's pulse.
    pub fn watch(&self) -> Arc<Pulse> {
        let pulse = Arc::new(Pulse::new());
        self.pulses.borrow_mut().push(Arc::downgrade(&pulse));
        pulse
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
        self.pulses.borrow_mut().retain(|pulse| {
            pulse
                .upgrade()
                .inspect(|pulse| pulse.judge(limits))
                .is_some()
        });
    }
}

/// Between two rounds: a small part of the shortest limit.
fn pace(limits: &Limits) -> Duration {
    let limit = limits.head.min(limits.keep_alive).min(limits.write_pause);
    (limit / 8).clamp(SHORTEST, LONGEST)
}
