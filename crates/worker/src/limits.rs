//! Limits that the remote control sets on tasks while the worker runs, and how often each has run.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// So many in so long: Celery's `10/s`, `100/m`, `5/h`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Rate {
    count: f64,
    per: Duration,
    text: String,
}

impl Rate {
    /// True for no limit at all.
    pub(crate) fn is_none(&self) -> bool {
        self.count <= 0.0
    }
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (count, unit) = text.split_once('/').unwrap_or((text, "s"));
        let per = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 3600,
            other => return Err(format!("'{other}' is none of s, m and h")),
        };
        let count = match count {
            "" => 0.0,
            count => count
                .parse::<f64>()
                .ok()
                .filter(|count| count.is_finite())
                .ok_or_else(|| format!("'{count}' is no number"))?,
        };
        Ok(Self {
            count,
            per: Duration::from_secs(per),
            text: text.to_owned(),
        })
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Tokens that come with time: one a run, one at a time in stock, as in Celery.
#[derive(Debug)]
struct Bucket {
    rate: Rate,
    /// When the next token is there.
    next: Instant,
    /// The turn of the next that has to wait: each gets one of its own, so that they do not all come
    /// back at once.
    turn: Instant,
}

impl Bucket {
    /// Takes a token; else how long until one's turn.
    fn take(&mut self, now: Instant) -> Option<Duration> {
        let pause = self.rate.per.div_f64(self.rate.count.max(1e-6));
        let after = |at: Instant| at.checked_add(pause).unwrap_or(at);
        if now < self.next {
            let turn = self.turn.max(self.next);
            self.turn = after(turn);
            return Some(turn - now);
        }
        self.next = after(now);
        None
    }
}

/// What the remote control has set, by task.
#[derive(Debug, Default)]
pub(crate) struct TaskLimits {
    any: AtomicBool,
    set: Mutex<Set>,
    totals: Mutex<HashMap<&'static str, u64>>,
}

#[derive(Debug, Default)]
struct Set {
    rates: HashMap<&'static str, Bucket>,
    times: HashMap<&'static str, (Option<Duration>, Option<Duration>)>,
}

impl TaskLimits {
    pub(crate) fn set_rate(&self, task: &'static str, rate: Option<Rate>) {
        let mut set = self.set.lock();
        match rate {
            Some(rate) => {
                let next = Instant::now();
                let bucket = Bucket {
                    rate,
                    next,
                    turn: next,
                };
                set.rates.insert(task, bucket);
                self.any.store(true, Ordering::Release);
            }
            None => drop(set.rates.remove(task)),
        }
    }

    pub(crate) fn rate(&self, task: &str) -> Option<Rate> {
        Some(self.set.lock().rates.get(task)?.rate.clone())
    }

    /// How long `task` has to wait for its turn; `None` if it may run now.
    pub(crate) fn pause(&self, task: &str) -> Option<Duration> {
        if !self.any.load(Ordering::Acquire) {
            return None;
        }
        self.set.lock().rates.get_mut(task)?.take(Instant::now())
    }

    pub(crate) fn set_time(
        &self,
        task: &'static str,
        soft: Option<Duration>,
        hard: Option<Duration>,
    ) {
        self.set.lock().times.insert(task, (soft, hard));
        self.any.store(true, Ordering::Release);
    }

    /// The soft and the hard limit that were set for `task`.
    pub(crate) fn time(&self, task: &str) -> (Option<Duration>, Option<Duration>) {
        if !self.any.load(Ordering::Acquire) {
            return (None, None);
        }
        self.set.lock().times.get(task).copied().unwrap_or_default()
    }

    pub(crate) fn count(&self, task: &'static str) {
        *self.totals.lock().entry(task).or_default() += 1;
    }

    /// How often each task was begun here.
    pub(crate) fn totals(&self) -> BTreeMap<&'static str, u64> {
        self.totals
            .lock()
            .iter()
            .map(|(name, count)| (*name, *count))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_celerys() {
        let rate: Rate = "10/m".parse().expect("a rate");
        assert_eq!(rate.to_string(), "10/m");
        assert!("0".parse::<Rate>().expect("none").is_none());
        assert!("".parse::<Rate>().expect("none").is_none());
        assert!("fast".parse::<Rate>().is_err());
        assert!("1/d".parse::<Rate>().is_err());
    }

    #[test]
    fn each_that_waits_has_a_turn_of_its_own() {
        let rate: Rate = "10/s".parse().expect("a rate");
        let now = Instant::now();
        let mut bucket = Bucket {
            rate,
            next: now,
            turn: now,
        };
        assert_eq!(bucket.take(now), None);
        assert_eq!(bucket.take(now), Some(Duration::from_millis(100)));
        assert_eq!(bucket.take(now), Some(Duration::from_millis(200)));
        assert_eq!(bucket.take(now + Duration::from_millis(100)), None);
    }
}
