//! What can go wrong with a schedule and with a beat.

use kiuas_common::Period;
use kiuas_common::listener::ListenerError;
use kiuas_common::postgres::PostgresError;
use kiuas_queue::QueueError;

/// What can go wrong with a beat.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BeatError {
    /// An entry of the schedule is not usable.
    #[error("entry `{entry}` of the schedule is not usable")]
    Entry {
        /// The entry.
        entry: String,
        /// What is wrong with it.
        #[source]
        problem: EntryProblem,
    },
    /// `beat.lease` is too short to be renewed in.
    #[error("`beat.lease` = {lease} is too short: write at least {least}")]
    Lease {
        /// The value.
        lease: Period,
        /// The least.
        least: Period,
    },
    /// The admin listener could not be bound.
    #[error("cannot bind the admin listener of beat")]
    Admin(#[from] ListenerError),
    /// PostgreSQL is not usable right now.
    #[error("cannot use the schedule's tables")]
    Postgres(#[from] PostgresError),
    /// A statement on the leader's connection failed.
    #[error("cannot ask who leads")]
    Leader(#[source] tokio_postgres::Error),
}

/// What is wrong with an entry.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EntryProblem {
    /// Names are the key of the history.
    #[error("its name is empty or longer than {most} bytes")]
    Name {
        /// The most.
        most: usize,
    },
    /// Two entries would take one another's ticks.
    #[error("another entry has the same name")]
    Repeated,
    /// The period is too short.
    #[error("its period {period} is shorter than {least}")]
    Period {
        /// The value.
        period: Period,
        /// The least.
        least: Period,
    },
    /// The cron expression is none.
    #[error("`{expression}` is no cron expression of five or six fields")]
    Cron {
        /// The value.
        expression: String,
        /// What the parser says.
        #[source]
        source: croner::errors::CronError,
    },
    /// No time matches the cron expression.
    #[error("`{expression}` is never due")]
    Never {
        /// The value.
        expression: String,
    },
    /// The time zone is not in the database of the system.
    #[error(
        "`{zone}` is no time zone that this system knows: write a name such as Europe/Helsinki"
    )]
    Zone {
        /// The value.
        zone: String,
        /// What the look-up says.
        #[source]
        source: jiff::Error,
    },
    /// The task's message cannot be written.
    #[error("its task cannot be enqueued")]
    Task(#[source] Box<QueueError>),
}
