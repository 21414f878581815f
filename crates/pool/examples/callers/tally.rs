//! What became of the requests.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use crate::exchange::Loss;

/// The requests of one caller.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    /// Times to a whole answer, in microseconds.
    times: Vec<u64>,
    lost: BTreeMap<Loss, u64>,
}

impl Calls {
    pub(crate) fn add(&mut self, outcome: Result<(), Loss>, took: Duration) {
        match outcome {
            Ok(()) => self
                .times
                .push(u64::try_from(took.as_micros()).unwrap_or(u64::MAX)),
            Err(loss) => *self.lost.entry(loss).or_default() += 1,
        }
    }
}

/// The requests of all callers.
#[derive(Debug, Default)]
pub(crate) struct Tally(Calls);

impl Tally {
    pub(crate) fn add(&mut self, calls: Calls) {
        self.0.times.extend(calls.times);
        for (loss, count) in calls.lost {
            *self.0.lost.entry(loss).or_default() += count;
        }
    }

    /// Answered and lost requests, and the times of the answered ones in microseconds.
    pub(crate) fn report(mut self) -> Value {
        let times = &mut self.0.times;
        times.sort_unstable();
        let at = |percent: usize| {
            let place = times.len().saturating_sub(1) * percent / 100;
            times.get(place).copied().unwrap_or(0)
        };
        let lost: BTreeMap<&str, u64> = self
            .0
            .lost
            .iter()
            .map(|(loss, count)| (loss.name(), *count))
            .collect();
        json!({
            "answered": times.len(),
            "lost": lost,
            "median_us": at(50),
            "p99_us": at(99),
            "longest_us": at(100),
        })
    }
}
