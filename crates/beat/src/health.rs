//! When a beat is not ready: PostgreSQL does not answer, or ticks are late.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::{SignedDuration, Timestamp};
use kiuas_common::admin::Health;
use kiuas_common::postgres::Postgres;

/// Nothing is due, ever.
const NEVER: i64 = i64::MAX;

/// The first due time that is not handled. It is judged when somebody asks, so that a beat that hangs
/// becomes not ready all the same.
#[derive(Debug, Clone)]
pub(crate) struct Lateness {
    next: Arc<AtomicI64>,
    most: SignedDuration,
}

impl Lateness {
    /// `most` is how late a tick may be.
    pub(crate) fn new(most: SignedDuration) -> Self {
        Self {
            next: Arc::new(AtomicI64::new(NEVER)),
            most,
        }
    }

    /// Says what is due next.
    pub(crate) fn set(&self, next: Option<Timestamp>) {
        let next = next.map_or(NEVER, Timestamp::as_millisecond);
        self.next.store(next, Ordering::Relaxed);
    }

    fn check(&self, now: Timestamp) -> Result<(), String> {
        let next = self.next.load(Ordering::Relaxed);
        let late = SignedDuration::from_millis(now.as_millisecond().saturating_sub(next));
        if late <= self.most {
            return Ok(());
        }
        Err(format!("ticks are late by {} s", late.as_secs()))
    }
}

/// The health of a beat on `postgres`.
pub(crate) fn health(postgres: &Postgres, lateness: &Lateness) -> Health {
    let health = Health::new();
    let postgres = postgres.clone();
    health.add_check("postgres", move || {
        let postgres = postgres.clone();
        async move { postgres.ping().await.map_err(|error| error.to_string()) }
    });
    let lateness = lateness.clone();
    health.add_check("ticks", move || {
        let outcome = lateness.check(Timestamp::now());
        async move { outcome }
    });
    health
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn late_ticks_are_told_and_ticks_to_come_are_not() {
        let lateness = Lateness::new(SignedDuration::from_secs(30));
        let now = Timestamp::from_second(1_000_000).expect("time");
        assert_eq!(lateness.check(now), Ok(()));
        for (due, outcome) in [
            (now.as_second() + 5, Ok(())),
            (now.as_second() - 30, Ok(())),
            (
                now.as_second() - 40,
                Err("ticks are late by 40 s".to_owned()),
            ),
        ] {
            lateness.set(Timestamp::from_second(due).ok());
            assert_eq!(lateness.check(now), outcome);
        }
    }
}
