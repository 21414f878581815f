//! How many children an adaptive pool keeps: a pure decision over readings, with hysteresis.

use std::time::{Duration, Instant};

use crate::settings::Scale;

/// How busy the children are now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Load {
    /// Average busy share of the event loops of the ready children since the last reading, in percent.
    pub(crate) busy: u8,
    /// Connections that wait to be accepted, on all sockets.
    pub(crate) backlog: u32,
}

/// Decides how many children there should be.
#[derive(Debug)]
pub(crate) struct Scaler {
    scale: Scale,
    fewest: usize,
    most: usize,
    /// Since when it has been too busy, or idle enough.
    busy_since: Option<Instant>,
    idle_since: Option<Instant>,
}

impl Scaler {
    /// For a pool of `fewest` to `most` children.
    pub(crate) fn new(scale: Scale, fewest: usize, most: usize) -> Self {
        Self {
            scale,
            fewest,
            most,
            busy_since: None,
            idle_since: None,
        }
    }

    /// The new number, if it should change: one child at a time. `count` is how many it keeps, `ready` how
    /// many of them are ready: while one is still starting, nothing is decided.
    pub(crate) fn decide(
        &mut self,
        load: Load,
        count: usize,
        ready: usize,
        now: Instant,
    ) -> Option<usize> {
        if self.fewest == self.most || ready < count {
            self.busy_since = None;
            self.idle_since = None;
            return None;
        }
        let too_busy = load.busy > self.scale.busy_above || load.backlog > self.scale.backlog_above;
        // With one less, the others would do its work too.
        let others = count.saturating_sub(1).max(1);
        let then = usize::from(load.busy) * count / others;
        let idle = !too_busy && load.backlog == 0 && then < usize::from(self.scale.busy_below);
        let up = lasts(
            &mut self.busy_since,
            too_busy,
            self.scale.up_after.duration(),
            now,
        );
        let down = lasts(
            &mut self.idle_since,
            idle,
            self.scale.down_after.duration(),
            now,
        );
        let wanted = match (up, down) {
            (true, _) => count + 1,
            (false, true) => count.saturating_sub(1),
            (false, false) => return None,
        };
        let wanted = wanted.clamp(self.fewest, self.most);
        (wanted != count).then(|| {
            self.busy_since = None;
            self.idle_since = None;
            wanted
        })
    }
}

/// True once `condition` has held for `span` without a pause.
fn lasts(since: &mut Option<Instant>, condition: bool, span: Duration, now: Instant) -> bool {
    if !condition {
        *since = None;
        return false;
    }
    now - *since.get_or_insert(now) >= span
}

#[cfg(test)]
mod tests;
