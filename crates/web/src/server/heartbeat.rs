//! The sign of life of a thread: a timer on its event loop, which stops when a handler holds the thread.

use std::rc::Rc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::MissedTickBehavior;

use crate::load::Load;

const EVERY: Duration = Duration::from_millis(100);

/// Beats until the thread ends.
pub(super) async fn beat(load: Rc<Load>) {
    let metrics = Handle::current().metrics();
    let mut tick = tokio::time::interval(EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        // A thread's runtime has one worker: the thread.
        let busy = metrics.worker_total_busy_duration(0).as_nanos();
        load.beat(u64::try_from(busy).unwrap_or(u64::MAX));
    }
}
