//! When an entry is due: a function of the calendar alone.

use std::time::Duration;

use croner::Cron;
use croner::parser::{CronParser, Year};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use kiuas_common::Period;

use crate::error::EntryProblem;

/// Shortest period: a beat looks at the clock, talks to PostgreSQL and looks again.
const SHORTEST: Period = Period::milliseconds(100);
/// Most due times that are looked at, one by one, to find the newest.
const LONGEST_WALK: usize = 100_000;
/// How far before a moment its newest due time is looked for, step by step.
const WINDOWS: [SignedDuration; 4] = [
    SignedDuration::from_mins(1),
    SignedDuration::from_hours(1),
    SignedDuration::from_hours(24),
    SignedDuration::from_hours(8 * 24),
];

/// When an entry is due, as it was written.
#[derive(Debug, Clone)]
pub(crate) enum TimingText {
    /// At multiples of a period since the Unix epoch.
    Every(Period),
    /// When a cron expression matches in a time zone.
    Cron {
        /// Five or six fields.
        expression: String,
        /// A name of the IANA database.
        zone: String,
    },
}

/// When an entry is due.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Timing {
    /// At multiples of a period since the Unix epoch.
    Every(Period),
    /// When a cron expression matches in a time zone.
    Cron {
        /// The expression.
        cron: Box<Cron>,
        /// The zone.
        zone: TimeZone,
    },
}

impl TimingText {
    pub(crate) fn parse(&self) -> Result<Timing, EntryProblem> {
        match self {
            Self::Every(period) => Timing::every(*period),
            Self::Cron { expression, zone } => Timing::cron(expression, zone),
        }
    }
}

impl Timing {
    /// At multiples of `period` since the Unix epoch.
    ///
    /// # Errors
    /// The period is too short.
    pub fn every(period: Period) -> Result<Self, EntryProblem> {
        if period < SHORTEST {
            return Err(EntryProblem::Period {
                period,
                least: SHORTEST,
            });
        }
        Ok(Self::Every(period))
    }

    /// When `expression` matches in `zone`.
    ///
    /// # Errors
    /// The expression is none, never matches, or the zone is unknown.
    pub fn cron(expression: &str, zone: &str) -> Result<Self, EntryProblem> {
        let cron = CronParser::builder()
            .year(Year::Disallowed)
            .build()
            .parse(expression)
            .map_err(|source| EntryProblem::Cron {
                expression: expression.to_owned(),
                source,
            })?;
        let timing = Self::Cron {
            cron: Box::new(cron),
            zone: TimeZone::get(zone).map_err(|source| EntryProblem::Zone {
                zone: zone.to_owned(),
                source,
            })?,
        };
        match timing.next(Timestamp::now()) {
            Some(_) => Ok(timing),
            None => Err(EntryProblem::Never {
                expression: expression.to_owned(),
            }),
        }
    }

    /// The first due time after `moment`; `None` if there is none in the calendar.
    #[must_use]
    pub fn next(&self, moment: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Every(period) => next_multiple(period.duration(), moment),
            Self::Cron { cron, zone } => {
                let moment = moment.to_zoned(zone.clone());
                let next = cron.find_next_occurrence(&moment, false).ok()?;
                // Whole seconds: a fraction of `moment` must not stick to it.
                Timestamp::from_second(next.timestamp().as_second()).ok()
            }
        }
    }

    /// The newest due time in `first..=moment`, where `first` is one.
    #[must_use]
    pub fn latest(&self, first: Timestamp, moment: Timestamp) -> Timestamp {
        if let Self::Every(period) = self {
            let last = moment.checked_sub(period.duration()).ok();
            let last = last.and_then(|before| next_multiple(period.duration(), before));
            return last.map_or(first, |last| last.max(first));
        }
        for window in WINDOWS {
            let Ok(from) = moment.checked_sub(window) else {
                break;
            };
            if from <= first {
                break;
            }
            if let Some(last) = self.between(from, moment).last() {
                return last;
            }
        }
        self.between(first, moment).last().unwrap_or(first)
    }

    /// How many due times lie in `first..=moment`, where `first` is one; long walks are cut short.
    #[must_use]
    pub fn count(&self, first: Timestamp, moment: Timestamp) -> u64 {
        if let Self::Every(period) = self {
            let span = moment.duration_since(first).as_millis();
            let count = span / i128::try_from(period.duration().as_millis()).unwrap_or(i128::MAX);
            return u64::try_from(count).unwrap_or(0) + 1;
        }
        u64::try_from(self.between(first, moment).count()).unwrap_or(u64::MAX) + 1
    }

    /// The due times after `from` and not after `to`, oldest first, cut short at a bound.
    pub(crate) fn between(
        &self,
        from: Timestamp,
        to: Timestamp,
    ) -> impl Iterator<Item = Timestamp> + '_ {
        std::iter::successors(self.next(from), |due| self.next(*due))
            .take_while(move |due| *due <= to)
            .take(LONGEST_WALK)
    }
}

fn next_multiple(period: Duration, moment: Timestamp) -> Option<Timestamp> {
    let period = i64::try_from(period.as_millis()).ok().filter(|p| *p > 0)?;
    let now = moment.as_millisecond();
    let due = now
        .checked_sub(now.rem_euclid(period))?
        .checked_add(period)?;
    Timestamp::from_millisecond(due).ok()
}

#[cfg(test)]
mod tests;
