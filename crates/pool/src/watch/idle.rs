//! A pool that nobody needs: when it is one, and what wakes it.

use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::reading::Reading;
use super::{ChildReading, Watch};
use crate::command::Command;
use crate::roster::Phase;
use crate::view::PoolView;

/// Since when nothing has run, and how many requests there had been then.
#[derive(Debug, Default)]
pub(super) struct Idle(Option<(Instant, u64)>);

impl Idle {
    /// True when it was quiet for `span`.
    fn is_over(&mut self, quiet: bool, requests: u64, span: Duration, now: Instant) -> bool {
        let since = match self.0 {
            Some((since, before)) if quiet && before == requests => since,
            _ => now,
        };
        self.0 = quiet.then_some((since, requests));
        quiet && now - since >= span
    }
}

impl Watch {
    /// Says when the pool has been idle for long enough, or somebody waits for one that sleeps.
    pub(super) fn look_for_work(&self, idle: &mut Idle, reading: &Reading, is_slow: bool) {
        if reading.view.asleep {
            *idle = Idle::default();
            if somebody_waits(&reading.view) {
                // Said again at the next tick as long as it is not heard.
                drop(self.commander.tell(Command::Wake));
            }
            return;
        }
        let Some(span) = self.idle.filter(|_| is_slow) else {
            return;
        };
        let requests = reading.tally.total.requests;
        if idle.is_over(is_quiet(reading), requests, span, reading.at)
            && self.commander.tell(Command::Idle).is_ok()
        {
            *idle = Idle::default();
        }
    }
}

/// Every child serves and has nothing to do. One that shows no scoreboard may have.
fn is_quiet(reading: &Reading) -> bool {
    let idles = |child: &ChildReading| {
        let seen = &child.snapshot;
        let serves = matches!(child.child.phase, Phase::Ready { .. });
        serves && seen.is_written && seen.slots.is_empty() && seen.connections() == 0
    };
    let view = &reading.view;
    let is_calm = view.rolling.is_none() && !view.paused && !view.stopping;
    is_calm && reading.backlog() == 0 && reading.children.iter().all(idles)
}

/// True if a connection waits on a socket of the pool.
fn somebody_waits(view: &PoolView) -> bool {
    view.sockets
        .iter()
        .filter_map(std::sync::Weak::upgrade)
        .any(|socket| {
            let mut asked = [PollFd::new(&socket.listener, PollFlags::IN)];
            poll(&mut asked, Some(&Timespec::default())).is_ok_and(|ready| ready > 0)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_begins_anew_with_every_request_and_everything_that_runs() {
        let (mut idle, start) = (Idle::default(), Instant::now());
        let span = Duration::from_secs(10);
        let mut at = |seconds: u64, quiet, requests| {
            let now = start + Duration::from_secs(seconds);
            idle.is_over(quiet, requests, span, now)
        };
        assert!(!at(0, true, 5));
        assert!(!at(9, true, 6), "somebody came in between");
        assert!(!at(18, true, 6));
        assert!(!at(18, false, 6), "something runs");
        assert!(!at(19, true, 6));
        assert!(!at(28, true, 6));
        assert!(at(29, true, 6));
    }
}
