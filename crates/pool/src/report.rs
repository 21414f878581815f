//! The log lines about children: one for every start and one for every end.

use std::fmt;
use std::time::Duration;

use rustix::process::Pid;

use crate::board::LastWords;
use crate::roster::{Ending, Exit, RollEvent};

/// How a child ended and after how long.
pub(crate) fn ending(exit: &Exit) -> String {
    format!(
        "process {} of seat {}: {} after {}, {}",
        exit.pid.as_raw_nonzero(),
        exit.seat,
        exit.ending,
        time(exit.ran),
        exit.cause
    )
}

pub(crate) fn started(pid: Pid, seat: usize, generation: u64) {
    let pid = pid.as_raw_nonzero().get();
    tracing::info!(
        child.pid = pid,
        child.seat = seat,
        generation,
        "started process {pid} in seat {seat}"
    );
}

pub(crate) fn ready(pid: Pid) {
    let pid = pid.as_raw_nonzero().get();
    tracing::info!(child.pid = pid, "process {pid} is ready");
}

/// The one line about a child's end: who, why, what was running there, how long it took. Also returned, for
/// who looks at the pool.
pub(crate) fn ended(exit: &Exit, last: &LastWords) -> String {
    let pid = exit.pid.as_raw_nonzero().get();
    let drained = exit.drained.map_or_else(|| "-".to_owned(), time);
    let message = format!("ended {}; running then: {last}", ending(exit));
    let (seat, generation, ran) = (exit.seat, exit.generation, time(exit.ran));
    let (cause, status) = (exit.cause.label(), exit.ending.to_string());
    let running = last.running.len() + last.more;
    if exit.cause.is_orderly() && exit.ending == Ending::Status(0) && running == 0 {
        tracing::info!(
            child.pid = pid,
            child.seat = seat,
            generation,
            cause,
            status,
            ran,
            drained,
            running,
            "{message}"
        );
    } else {
        tracing::warn!(
            child.pid = pid,
            child.seat = seat,
            generation,
            cause,
            status,
            ran,
            drained,
            running,
            "{message}"
        );
    }
    message
}

/// The line about a roll. Also returned, for who looks at the pool.
pub(crate) fn roll(event: &RollEvent) -> String {
    let message = event.to_string();
    match event {
        RollEvent::Began { generation } => tracing::info!(generation, "{message}"),
        RollEvent::Done { generation, took } => {
            tracing::info!(generation, took = time(*took), "roll done");
        }
        RollEvent::Retry { reason, pause } => {
            tracing::warn!(
                reason,
                pause = time(*pause),
                "a new child failed during the roll, trying again"
            );
        }
        RollEvent::GivenUp {
            generation,
            back_to,
            reason,
            renewed,
        } => tracing::error!(generation, back_to, reason, renewed, "{message}"),
        RollEvent::Restored { generation } => tracing::warn!(generation, "{message}"),
    }
    message
}

impl fmt::Display for RollEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Began { .. } => f.write_str("roll began"),
            Self::Done { generation, took } => {
                write!(
                    f,
                    "roll done: every child is of generation {generation}, after {}",
                    time(*took)
                )
            }
            Self::Retry { reason, pause } => {
                let pause = time(*pause);
                write!(
                    f,
                    "a new child failed during the roll, trying again in {pause}: {reason}"
                )
            }
            Self::GivenUp {
                back_to, reason, ..
            } => {
                write!(
                    f,
                    "roll given up, generation {back_to} goes on serving: {reason}"
                )
            }
            Self::Restored { generation } => {
                write!(f, "every child is of generation {generation} again")
            }
        }
    }
}

/// A time for people: `85ms`, `12.4s`.
pub(crate) fn time(span: Duration) -> String {
    if span < Duration::from_secs(1) {
        format!("{}ms", span.as_millis())
    } else {
        format!("{:.1}s", span.as_secs_f64())
    }
}
