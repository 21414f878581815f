//! Looks at every connection of a thread, a few times in the shortest limit.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::Pulse;
use crate::plan::Limits;

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

    /// Sweeps for ever; `also` runs at each round.
    pub async fn run(self: Rc<Self>, limits: Limits, also: impl Fn()) {
        let limit = limits.head.min(limits.keep_alive).min(limits.write_pause);
        let mut rounds = tokio::time::interval((limit / 8).clamp(SHORTEST, LONGEST));
        rounds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            rounds.tick().await;
            self.sweep(&limits);
            also();
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
