//! What the supervisor sees of this worker: its state, and a place on its scoreboard for every task that
//! runs. Without a supervisor nothing is shown and nothing is measured.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use kiuas_common::Pause;
use kiuas_common::pause::Signals;
use kiuas_common::scoreboard::{Kind, State, TaskGuard, Work, Writer, now};
use kiuas_common::telemetry::TraceContext;
use kiuas_queue::message::Headers;
use tracing::Span;

use crate::verdict::Verdict;

/// How often idle threads give a sign of life.
const BEAT: Duration = Duration::from_millis(100);

/// The worker's side of the board.
#[derive(Debug)]
pub(crate) struct Board {
    writer: Option<Writer>,
    /// From the time when a task is given up to the end of its process, if it keeps its thread.
    grace: Duration,
    /// The thread of the heartbeat ends with it.
    _heart: Option<SyncSender<()>>,
}

/// How long a task may run.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Limits {
    pub(crate) soft: Option<Duration>,
    pub(crate) hard: Option<Duration>,
}

impl Board {
    /// The board that the supervisor handed on, if it did.
    pub(crate) fn of_this_process(grace: Duration) -> Self {
        let writer = Writer::from_environment();
        let heart = writer.and_then(|writer| {
            writer.has_tasks();
            if let Err(error) = writer.answer_for_stacks() {
                tracing::warn!(%error, "the supervisor cannot ask for the stacks of stuck threads");
            }
            start_heart(writer)
        });
        Self {
            writer,
            grace,
            _heart: heart,
        }
    }

    pub(crate) fn show(&self, state: State) {
        if let Some(writer) = self.writer {
            writer.set_state(state);
        }
    }

    /// The supervisor's signals to pause and to go on, heard from now on. `None` without a supervisor, or
    /// if they cannot be heard (that is logged).
    pub(crate) fn hear_pauses(&self) -> Option<Signals> {
        Signals::listen().unwrap_or_else(|error: io::Error| {
            tracing::warn!(%error, "cannot listen for SIGTSTP and SIGCONT: this worker cannot be paused");
            None
        })
    }

    /// Pauses and goes on as the supervisor asks. Never resolves.
    pub(crate) async fn follow_pauses(&self, signals: Option<Signals>, pause: &Pause) {
        let changed = |paused| {
            self.show(if paused { State::Paused } else { State::Ready });
        };
        match signals {
            Some(signals) => signals.follow(pause, changed).await,
            None => std::future::pending().await,
        }
    }

    /// A task begins.
    pub(crate) fn begin(&self, headers: &Headers, limits: Limits, span: &Span) -> Shown {
        let task = self.writer.map(|writer| {
            // A span that nobody records has no trace of its own.
            let sent = || TraceContext::parse(headers.traceparent.as_deref()?, None);
            let trace = TraceContext::of(span).or_else(sent);
            let started = now();
            let (soft_deadline, hard_deadline) = deadlines(started, limits, self.grace);
            writer.begin_task(&Work {
                kind: Kind::Task,
                label: &[&headers.task],
                id: &headers.id,
                trace_id: trace.as_ref().map_or("", TraceContext::trace_id),
                started,
                soft_deadline,
                hard_deadline,
            })
        });
        Shown {
            task,
            begin: Instant::now(),
        }
    }
}

/// When a task is given up, and when its process is ended if it still keeps its thread; 0: never.
fn deadlines(started: u64, limits: Limits, grace: Duration) -> (u64, u64) {
    let Some(soft) = [limits.soft, limits.hard].into_iter().flatten().min() else {
        return (0, 0);
    };
    let end = soft
        .saturating_add(grace)
        .max(limits.hard.unwrap_or_default());
    let at =
        |span: Duration| started.saturating_add(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX));
    (at(soft), at(end))
}

/// Beats for the threads that no task keeps, from a thread that no task runs on.
fn start_heart(writer: Writer) -> Option<SyncSender<()>> {
    let (heart, ended) = sync_channel(0);
    let beat = move || {
        while ended.recv_timeout(BEAT) == Err(RecvTimeoutError::Timeout) {
            writer.beat_for_idle_threads();
        }
    };
    let started = std::thread::Builder::new()
        .name("heartbeat".to_owned())
        .spawn(beat);
    match started {
        Ok(_) => Some(heart),
        Err(error) => {
            tracing::error!(%error, "cannot start the thread that gives signs of life");
            None
        }
    }
}

/// A task on the board, until it is dropped.
#[derive(Debug)]
pub(crate) struct Shown {
    task: Option<TaskGuard>,
    begin: Instant,
}

impl Shown {
    /// Runs the task's future, marked as what its thread works on whenever it does.
    pub(crate) async fn run<F: Future>(&self, work: F) -> F::Output {
        let Some(task) = &self.task else {
            return work.await;
        };
        let mut work = pin!(work);
        poll_fn(|cx| {
            let _mark = task.polling();
            work.as_mut().poll(cx)
        })
        .await
    }

    pub(crate) fn timed_out(&self) {
        if let Some(task) = &self.task {
            task.timed_out();
        }
    }

    pub(crate) fn panicked(&self) {
        if let Some(task) = &self.task {
            task.panicked();
        }
    }

    /// It has run; what is left is to say so.
    pub(crate) fn ran(&self, verdict: &Verdict) {
        let Some(task) = &self.task else {
            return;
        };
        task.set_deadlines(0, 0);
        let status = match verdict {
            Verdict::Success(_) => 200,
            Verdict::Retry(..) => 300,
            Verdict::Failure { .. } => 500,
            // It was not this run that ended it.
            Verdict::Expired | Verdict::Revoked { .. } | Verdict::Defer(_) | Verdict::Lost => {
                return;
            }
        };
        let took = u64::try_from(self.begin.elapsed().as_nanos()).unwrap_or(u64::MAX);
        task.ended(status, took);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_ended_only_after_the_task_was_given_up() {
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        let grace = Duration::from_secs(10);
        let of = |soft, hard| {
            let (soft, end) = deadlines(1, Limits { soft, hard }, grace);
            (soft / 1_000_000_000, end / 1_000_000_000)
        };
        assert_eq!(of(None, None), (0, 0));
        assert_eq!(of(seconds(50), None), (50, 60));
        assert_eq!(of(None, seconds(60)), (60, 70));
        assert_eq!(of(seconds(50), seconds(300)), (50, 300));
        assert_eq!(of(seconds(50), seconds(51)), (50, 60));
        assert_eq!(of(Some(Duration::MAX), None).0, u64::MAX / 1_000_000_000);
    }
}
