//! Celery's events: what Flower and `celery events` see of this worker.
//!
//! Events are for those who watch now: nothing waits for them, and what does not fit is left out.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use kiuas_common::Shutdown;
use kiuas_queue::Broker;
use kiuas_queue::message::Envelope;
use parking_lot::Mutex;
use serde_json::{Map, Value, json};

use crate::control::seconds;
use crate::execute::Executor;
use crate::verdict::{self, Verdict};

/// How often a sign of life is given, as Celery's workers do.
const HEARTBEAT: Duration = Duration::from_secs(2);
/// How long events are gathered.
const GATHERING: Duration = Duration::from_millis(200);
/// Most that wait to be sent; more are left out.
const MOST: usize = 5_000;
/// Longest text of a result or an error in an event, in characters.
const LONGEST: usize = 1024;

/// Events that wait to be sent.
#[derive(Debug, Default)]
pub(crate) struct Events {
    /// Those of tasks; those of the worker are always sent.
    on: AtomicBool,
    waiting: Mutex<Vec<Value>>,
}

impl Events {
    pub(crate) fn new(on: bool) -> Self {
        let this = Self::default();
        this.on.store(on, Ordering::Relaxed);
        this
    }

    pub(crate) fn is_on(&self) -> bool {
        self.on.load(Ordering::Relaxed)
    }

    /// Turns the events of tasks on or off; returns what they were.
    pub(crate) fn switch(&self, on: bool) -> bool {
        self.on.swap(on, Ordering::Relaxed)
    }

    fn push(&self, event: Value) {
        let mut waiting = self.waiting.lock();
        if waiting.len() < MOST {
            waiting.push(event);
        }
    }

    fn take(&self) -> Vec<Value> {
        std::mem::take(&mut *self.waiting.lock())
    }

    /// Gives a sign of life with the next events.
    pub(crate) fn heartbeat<S: Send + Sync + 'static, B: Broker>(&self, executor: &Executor<S, B>) {
        self.push(executor.worker_event("worker-heartbeat"));
    }
}

impl<S: Send + Sync + 'static, B: Broker> Executor<S, B> {
    /// Sends what is gathered, and signs of life, until the drain is over.
    pub(crate) async fn send_events(self: Arc<Self>, until: Shutdown) {
        self.events.push(self.worker_event("worker-online"));
        let mut beat = tokio::time::interval(HEARTBEAT);
        let mut gathered = tokio::time::interval(GATHERING);
        loop {
            tokio::select! {
                () = until.draining() => break,
                _ = beat.tick() => self.events.heartbeat(&self),
                _ = gathered.tick() => self.flush().await,
            }
        }
        self.events.push(self.worker_event("worker-offline"));
        self.flush().await;
    }

    async fn flush(&self) {
        let (tasks, workers): (Vec<_>, Vec<_>) = self.events.take().into_iter().partition(is_task);
        let mut batches = Vec::new();
        if !tasks.is_empty() {
            batches.push(("task.multi".to_owned(), Value::Array(tasks)));
        }
        for event in workers {
            let key = event["type"].as_str().unwrap_or_default().replace('-', ".");
            batches.push((key, event));
        }
        for (key, event) in batches {
            if let Err(error) = self.queue.announce(&key, &self.control.node, &event).await {
                // Nobody waits for events; what fails here fails louder elsewhere.
                tracing::debug!(error = %error.with_causes(), "events were not sent");
                return;
            }
        }
    }

    fn worker_event(&self, kind: &str) -> Value {
        let [one, five, fifteen] = load();
        self.event(
            kind,
            json!({
                "freq": HEARTBEAT.as_secs_f64(),
                "active": self.running.count(),
                "processed": self.limits.totals().values().sum::<u64>(),
                "loadavg": [one, five, fifteen],
                "sw_ident": "kiuas",
                "sw_ver": env!("CARGO_PKG_VERSION"),
                "sw_sys": "Linux",
            }),
        )
    }

    /// A task was taken up: two events in one, as a worker that fetches ahead has them apart.
    pub(crate) fn task_began(&self, envelope: &Envelope) {
        if !self.events.is_on() {
            return;
        }
        let headers = &envelope.headers;
        let repr = |name: &str| headers.rest.get(name).cloned().unwrap_or(Value::Null);
        self.events.push(self.event(
            "task-received",
            json!({
                "uuid": headers.id,
                "name": headers.task,
                "args": repr("argsrepr"),
                "kwargs": repr("kwargsrepr"),
                "root_id": headers.root_id,
                "parent_id": headers.parent_id,
                "retries": envelope.retries(),
                "eta": headers.eta,
                "expires": headers.expires,
            }),
        ));
        let started = self.event("task-started", json!({ "uuid": headers.id }));
        self.events.push(started);
    }

    /// A task has ended with `verdict` after so many seconds.
    pub(crate) fn task_ended(&self, envelope: &Envelope, verdict: &Verdict, runtime: f64) {
        if !self.events.is_on() {
            return;
        }
        let uuid = &envelope.headers.id;
        let failed = |exception| {
            let text: String = verdict::text(exception).chars().take(LONGEST).collect();
            json!({ "uuid": uuid, "exception": text, "traceback": null })
        };
        let (kind, fields) = match verdict {
            Verdict::Success(value) => {
                let result: String = value.to_string().chars().take(LONGEST).collect();
                let fields = json!({ "uuid": uuid, "result": result, "runtime": runtime });
                ("task-succeeded", fields)
            }
            Verdict::Failure { exception, .. } => ("task-failed", failed(exception)),
            Verdict::Retry(_, exception) => ("task-retried", failed(exception)),
            Verdict::Expired => ("task-revoked", revoked(uuid, false, true)),
            Verdict::Revoked { terminated } => ("task-revoked", revoked(uuid, *terminated, false)),
            Verdict::Defer(_) | Verdict::Lost => return,
        };
        self.events.push(self.event(kind, fields));
    }

    /// An event with what all of them say.
    fn event(&self, kind: &str, fields: Value) -> Value {
        let mut event = match fields {
            Value::Object(fields) => fields,
            _ => Map::new(),
        };
        let mut set = |name: &str, value: Value| drop(event.insert(name.to_owned(), value));
        set("type", kind.into());
        set("hostname", self.control.node.as_str().into());
        set("utcoffset", json!(0.0));
        set("pid", std::process::id().into());
        set("clock", self.control.clock.tick().into());
        set("timestamp", seconds(Timestamp::now()).into());
        Value::Object(event)
    }
}

fn revoked(uuid: &str, terminated: bool, expired: bool) -> Value {
    let signum = if terminated { json!(15) } else { Value::Null };
    json!({ "uuid": uuid, "terminated": terminated, "signum": signum, "expired": expired })
}

fn is_task(event: &Value) -> bool {
    let kind = event["type"].as_str().unwrap_or_default();
    kind.starts_with("task-")
}

/// The machine's load averages; zeros where they cannot be read.
fn load() -> [f64; 3] {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let mut numbers = text
        .split_whitespace()
        .map(|word| word.parse().unwrap_or(0.0));
    std::array::from_fn(|_| numbers.next().unwrap_or(0.0))
}
