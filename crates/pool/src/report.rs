//! The log lines about children: one for every start and one for every end.

use std::time::Duration;

use rustix::process::Pid;

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

/// The one line about a child's end.
pub(crate) fn ended(exit: &Exit) {
    let pid = exit.pid.as_raw_nonzero().get();
    let drained = exit.drained.map_or_else(|| "-".to_owned(), time);
    let message = ending(exit);
    let (seat, generation, ran) = (exit.seat, exit.generation, time(exit.ran));
    let (cause, status) = (exit.cause.label(), exit.ending.to_string());
    if exit.cause.is_orderly() && exit.ending == Ending::Status(0) {
        tracing::info!(
            child.pid = pid,
            child.seat = seat,
            generation,
            cause,
            status,
            ran,
            drained,
            "ended {message}"
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
            "ended {message}"
        );
    }
}

pub(crate) fn roll(event: &RollEvent) {
    match event {
        RollEvent::Began { generation } => {
            tracing::info!(generation, "roll began");
        }
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
        RollEvent::GivenUp { reason, renewed } => {
            tracing::error!(
                reason,
                renewed,
                "roll given up, the children that serve go on serving: {reason}"
            );
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
