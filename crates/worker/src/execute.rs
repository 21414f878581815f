//! The life of a delivery, one function a phase: read, judge, run, end.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use jiff::Timestamp;
use kiuas_common::telemetry::TraceContext;
use kiuas_queue::broker::{Broker, Delivery, Hold};
use kiuas_queue::message::{Body, Embed, Envelope, MessageError, parse_iso};
use kiuas_queue::{
    BrokerKind, Context, Delivered, ExceptionInfo, Queue, QueueError, Registry, RetryPolicy,
    TaskId, TaskOptions, with_causes,
};
use tokio::sync::Notify;
use tracing::{Instrument, Span, field};

use crate::board::{Board, Limits, Shown};
use crate::control::Control;
use crate::events::Events;
use crate::finish::{finish, given_up};
use crate::follow::{duration, unsupported};
use crate::limits::TaskLimits;
use crate::metrics::WorkerMetrics;
use crate::running::Guard;
use crate::running::Running;
use crate::verdict::{self, Verdict};
use crate::work::Work;

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// Label of tasks that are not registered.
const UNKNOWN: &str = "unknown";

/// What all runs of a worker share.
pub(crate) struct Executor<S, B> {
    pub(crate) broker: B,
    pub(crate) queue: Queue,
    pub(crate) registry: Registry<S>,
    pub(crate) state: Arc<S>,
    pub(crate) metrics: WorkerMetrics,
    pub(crate) running: Running,
    /// Told when a task was put aside until its time.
    pub(crate) due_soon: Arc<Notify>,
    pub(crate) board: Board,
    pub(crate) control: Control,
    pub(crate) events: Events,
    pub(crate) limits: TaskLimits,
}

/// A delivery that was read.
struct Job<S> {
    envelope: Envelope,
    id: TaskId,
    task: Option<Work<S>>,
    label: &'static str,
}

impl<S: Send + Sync + 'static, B: Broker> Executor<S, B> {
    /// Runs `delivery` to its end. Returns early only when the future is dropped.
    pub(crate) async fn execute(&self, delivery: &Delivery, guard: Guard) {
        match Envelope::parse(&delivery.raw) {
            Ok(envelope) => self.run(delivery, envelope, &guard).await,
            Err(error) => self.put_aside(delivery, &error).await,
        }
        guard.ended();
    }

    async fn put_aside(&self, delivery: &Delivery, error: &MessageError) {
        let reason = with_causes(error);
        self.metrics.malformed.inc();
        if self.insist(|| self.broker.divert(delivery, &reason)).await == Hold::Lost {
            self.metrics.fenced.inc();
        }
    }

    async fn run(&self, delivery: &Delivery, envelope: Envelope, guard: &Guard) {
        let task = Work::named(&envelope.headers.task, &self.registry);
        let job = Job {
            id: TaskId::from(envelope.headers.id.clone()),
            label: task.as_ref().map_or(UNKNOWN, Work::name),
            envelope,
            task,
        };
        let span = consumer_span(&job.envelope, &delivery.queue, self.queue.settings().broker);
        let begin = Instant::now();
        self.metrics.running.inc();
        let outcome = self
            .judge_run_end(delivery, job, guard, &span)
            .instrument(span.clone());
        let (label, outcome) = outcome.await;
        self.metrics.running.dec();
        self.metrics
            .ended(label, outcome, begin.elapsed().as_secs_f64());
    }

    async fn judge_run_end(
        &self,
        delivery: &Delivery,
        job: Job<S>,
        guard: &Guard,
        span: &Span,
    ) -> (&'static str, &'static str) {
        if job.envelope.is_redelivered() {
            self.metrics.redelivered.inc();
        }
        let read = job.envelope.body();
        let (mut body, judged) = match read {
            Ok(body) => {
                let judged = self.judge(&job, &body.2, delivery.claimed_at);
                (body, judged)
            }
            Err(error) => (Body::default(), Err(unreadable(&error))),
        };
        let (verdict, _shown) = match judged {
            Err(verdict) => {
                self.task_ended(&job.envelope, &verdict, 0.0);
                (verdict, None)
            }
            Ok(task) => {
                let options = task.options();
                let limits = self.time_limits(&job.envelope, &options);
                self.limits.count(job.label);
                self.task_began(&job.envelope);
                let begin = Instant::now();
                let shown = self.board.begin(&job.envelope.headers, limits, span);
                let verdict = self
                    .attempt(
                        delivery,
                        &job,
                        (task, &options.retry),
                        &mut body,
                        (guard, &shown, limits),
                    )
                    .await;
                shown.ran(&verdict);
                self.task_ended(&job.envelope, &verdict, begin.elapsed().as_secs_f64());
                (verdict, Some(shown))
            }
        };
        let outcome = verdict.outcome();
        span.record("task.outcome", outcome);
        self.report(&job, &verdict, span);
        let kept = self.end(delivery, &job, body, verdict).await;
        (job.label, if kept { outcome } else { "lost" })
    }

    /// Runs the task under its limits, and catches what it throws.
    async fn attempt(
        &self,
        delivery: &Delivery,
        job: &Job<S>,
        (task, policy): (&Work<S>, &RetryPolicy),
        body: &mut Body,
        (guard, shown, limits): (&Guard, &Shown, Limits),
    ) -> Verdict {
        let headers = &job.envelope.headers;
        let retries = job.envelope.retries();
        let ctx = Context::new(Arc::clone(&self.state), job.id.clone()).delivered(
            retries,
            Delivered {
                queue: delivery.queue.clone(),
                redelivered: job.envelope.is_redelivered(),
                root_id: headers.root_id.clone(),
                parent_id: headers.parent_id.clone(),
            },
        );
        let (args, kwargs) = (std::mem::take(&mut body.0), std::mem::take(&mut body.1));
        let work = AssertUnwindSafe(task.run(&self.registry, ctx, args, kwargs)).catch_unwind();
        tokio::select! {
            biased;
            done = shown.run(work) => match done {
                Ok(Ok(Ok(value))) => Verdict::Success(value),
                Ok(Ok(Err(error))) => Verdict::of_error(error, policy, retries),
                Ok(Err(error)) => Verdict::refused(ExceptionInfo::new(
                    "builtins",
                    "TypeError",
                    with_causes(&error),
                )),
                Err(payload) => {
                    shown.panicked();
                    Verdict::failed(verdict::panic(&*payload), policy, retries)
                }
            },
            limit = passed(limits.soft) => {
                shown.timed_out();
                let exception = verdict::time_limit("SoftTimeLimitExceeded", limit);
                Verdict::failed(exception, policy, retries)
            }
            limit = passed(limits.hard) => {
                shown.timed_out();
                Verdict::refused(verdict::time_limit("TimeLimitExceeded", limit))
            }
            () = guard.lost() => Verdict::Lost,
            () = guard.revoked() => Verdict::Revoked { terminated: true },
        }
    }

    /// Stores and sends, at once, what follows from the verdict. `false` if the task is not ours any
    /// more: nothing was stored or sent then.
    async fn end(
        &self,
        delivery: &Delivery,
        job: &Job<S>,
        mut body: Body,
        verdict: Verdict,
    ) -> bool {
        let hold = match verdict {
            Verdict::Lost => Hold::Lost,
            Verdict::Defer(eta) => {
                let priority = job.envelope.priority();
                let hold = self
                    .insist(|| self.broker.defer(delivery, priority, eta))
                    .await;
                self.due_soon.notify_one();
                hold
            }
            verdict => {
                let is_dead = matches!(&verdict, Verdict::Failure { dead: Some(_), .. });
                let built = finish(self, delivery, &job.envelope, &mut body.2, verdict);
                let (mut finish, parts) =
                    built.unwrap_or_else(|error| given_up(&job.envelope, &body.2, &error));
                self.count(&job.envelope, parts, &mut finish).await;
                let waits = finish.again.is_some();
                let hold = self
                    .insist(|| self.broker.finish(delivery, finish.clone()))
                    .await;
                if hold == Hold::Kept && is_dead {
                    self.metrics.dead_letters.inc();
                }
                if waits {
                    self.due_soon.notify_one();
                }
                hold
            }
        };
        if hold == Hold::Lost {
            self.metrics.fenced.inc();
            tracing::warn!("somebody else has this task now, our end of it does not count");
        }
        hold == Hold::Kept
    }

    /// Tries until the broker has answered: an end that is known here must not be lost. Stopping is
    /// the caller's: it drops this future.
    pub(crate) async fn insist<T, F, R>(&self, ask: F) -> T
    where
        F: Fn() -> R,
        R: Future<Output = Result<T, QueueError>>,
    {
        let mut pause = FIRST_PAUSE;
        loop {
            let error = match ask().await {
                Ok(answer) => return answer,
                Err(error) => error,
            };
            self.metrics.broker_errors.inc();
            tracing::warn!(error = %error.with_causes(), "cannot end a task, trying again");
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// One line in the log for each end, at the boundary that knows it.
    fn report(&self, job: &Job<S>, verdict: &Verdict, span: &Span) {
        let headers = &job.envelope.headers;
        let (name, id) = (headers.task.as_str(), headers.id.as_str());
        let retries = job.envelope.retries();
        match verdict {
            // Nobody waits for the end of such a task, and those that beat sends every second would
            // fill the log.
            Verdict::Success(_) if headers.ignore_result == Some(true) => {
                tracing::debug!(task.name = name, task.id = id, retries, "ran `{name}`");
            }
            Verdict::Success(_) => {
                tracing::info!(task.name = name, task.id = id, retries, "ran `{name}`");
            }
            Verdict::Retry(pause, exception) => {
                let error = verdict::text(exception);
                let pause_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
                tracing::warn!(
                    task.name = name,
                    task.id = id,
                    retries,
                    error,
                    pause_ms,
                    "`{name}` failed, trying again"
                );
            }
            Verdict::Failure { exception, .. } => {
                span.record("otel.status_code", "error");
                let error = verdict::text(exception);
                tracing::error!(
                    task.name = name,
                    task.id = id,
                    retries,
                    error,
                    "`{name}` failed for good"
                );
            }
            Verdict::Expired => {
                tracing::warn!(
                    task.name = name,
                    task.id = id,
                    "`{name}` expired in the queue"
                );
            }
            Verdict::Revoked { terminated } => {
                let how = if *terminated { "stopped" } else { "not run" };
                tracing::warn!(
                    task.name = name,
                    task.id = id,
                    "`{name}` was revoked and is {how}"
                );
            }
            Verdict::Defer(_) | Verdict::Lost => {}
        }
    }

    /// Which task may run now; else how it ends without.
    fn judge<'a>(
        &self,
        job: &'a Job<S>,
        embed: &Embed,
        now: Timestamp,
    ) -> Result<&'a Work<S>, Verdict> {
        let headers = &job.envelope.headers;
        if self.control.revoked.contains(&headers.id) {
            return Err(Verdict::Revoked { terminated: false });
        }
        let time = |text: &Option<String>| text.as_deref().and_then(parse_iso);
        if time(&headers.expires).is_some_and(|expires| expires <= now) {
            return Err(Verdict::Expired);
        }
        if let Some(eta) = time(&headers.eta).filter(|eta| *eta > now) {
            return Err(Verdict::Defer(eta));
        }
        if let Some(problem) = unsupported(embed) {
            return Err(Verdict::refused(ExceptionInfo::new(
                "builtins",
                "NotImplementedError",
                problem,
            )));
        }
        if let Some(pause) = self.limits.pause(job.label) {
            let turn = now.checked_add(pause).unwrap_or(now);
            return Err(Verdict::Defer(turn));
        }
        job.task.as_ref().ok_or_else(|| {
            Verdict::refused(ExceptionInfo::new(
                "celery.exceptions",
                "NotRegistered",
                headers.task.as_str(),
            ))
        })
    }

    /// How long this run may take: the message's word counts before the remote control's, and that
    /// before the task's own.
    fn time_limits(&self, envelope: &Envelope, options: &TaskOptions) -> Limits {
        let [hard, soft] = envelope.headers.timelimit.unwrap_or_default();
        let set = self.limits.time(&envelope.headers.task);
        Limits {
            soft: soft
                .and_then(duration)
                .or(set.0)
                .or(options.soft_time_limit),
            hard: hard
                .and_then(duration)
                .or(set.1)
                .or(options.hard_time_limit),
        }
    }
}

/// A body that is not for us: pickled, compressed, or no arguments at all.
fn unreadable(error: &MessageError) -> Verdict {
    let name = match error {
        MessageError::ContentDisallowed(_) => "ContentDisallowed",
        _ => "DecodeError",
    };
    Verdict::refused(ExceptionInfo::new(
        "kombu.exceptions",
        name,
        with_causes(error),
    ))
}

/// Resolves with the limit when it has passed; never without one.
async fn passed(limit: Option<Duration>) -> Duration {
    match limit {
        Some(limit) => {
            tokio::time::sleep(limit).await;
            limit
        }
        None => std::future::pending().await,
    }
}

fn consumer_span(envelope: &Envelope, queue: &str, broker: BrokerKind) -> Span {
    let headers = &envelope.headers;
    let span = tracing::info_span!(
        "run",
        otel.name = %format_args!("run {}", headers.task),
        otel.kind = "consumer",
        otel.status_code = field::Empty,
        messaging.system = broker.system(),
        messaging.operation.name = "process",
        messaging.destination.name = %queue,
        task.name = %headers.task,
        task.id = %headers.id,
        task.retries = envelope.retries(),
        task.outcome = field::Empty,
    );
    let parent = headers.traceparent.as_deref();
    let state = headers.tracestate.as_deref();
    if let Some(parent) = parent.and_then(|parent| TraceContext::parse(parent, state)) {
        parent.adopt(&span);
    }
    span
}
