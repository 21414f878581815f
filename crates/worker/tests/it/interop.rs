//! Producers and workers of both languages on both brokers: what works between any two of them.
//!
//! The Python side is Celery itself, in processes of its own; the Rust worker is this process's.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use jiff::Timestamp;
use kiuas_common::testing::{python_with, rabbitmq};
use kiuas_queue::message::{Signature, parse_iso};
use kiuas_queue::{AmqpSettings, BrokerKind, Call, ResultMeta, State, TaskId};
use kiuas_worker::{Drained, WorkerSettings};
use serde_json::{Map, Value, json};

use crate::setup::{PATIENCE, Running, Setup, eventually};

/// One broker with a queue of its own, and Celery on the other side of it.
struct Ground {
    setup: Setup,
    python: PathBuf,
    directory: tempfile::TempDir,
}

/// A worker of either language.
enum Worker {
    Rust(Running),
    Python(Killed),
}

/// A process that goes with this, also when the test fails.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

impl Ground {
    /// None, loudly, without Python or the broker.
    fn new(broker: BrokerKind) -> Option<Self> {
        let python = python_with("celery", "celery[redis]==5.*")?;
        let setup = match broker {
            BrokerKind::Amqp => Setup::on_rabbitmq(AmqpSettings {
                max_priority: 9,
                ..AmqpSettings::default()
            })?,
            _ => Setup::new(),
        };
        let directory = tempfile::tempdir().expect("a directory");
        for (name, text) in [
            ("foreign.py", include_str!("interop/foreign.py")),
            ("produce.py", include_str!("interop/produce.py")),
            ("control.py", include_str!("interop/control.py")),
        ] {
            std::fs::write(directory.path().join(name), text).expect("a script");
        }
        Some(Self {
            setup,
            python,
            directory,
        })
    }

    fn is_amqp(&self) -> bool {
        self.setup.queue.settings().broker == BrokerKind::Amqp
    }

    /// `program` of Celery's environment, which finds the broker.
    fn command(&self, program: &str) -> Command {
        let socket = self.setup.redis.socket();
        let redis = format!("redis+socket://{}?virtual_host=15", socket.display());
        let broker = match self.is_amqp() {
            // Without a virtual host kombu means `/`, too.
            true => format!("{}//", rabbitmq().expect("the server that was there")),
            false => redis.clone(),
        };
        let mut command = Command::new(self.python.join(program));
        command
            .current_dir(self.directory.path())
            .env("BROKER", broker)
            .env("BACKEND", redis)
            .env("QUEUE", &self.setup.queue.settings().default_queue)
            .stdin(Stdio::null());
        command
    }

    fn rust_worker(&self) -> Worker {
        Worker::Rust(self.setup.worker_with(WorkerSettings {
            queues: Vec::new(),
            // One after the other: their ends show their order.
            concurrency: 1,
            ..WorkerSettings::default()
        }))
    }

    async fn python_worker(&self) -> Worker {
        let path = self.directory.path().join("worker.log");
        let log = std::fs::File::create(&path).expect("a log");
        let mut command = self.command("celery");
        command.args(["-A", "foreign", "worker", "--pool", "solo", "--loglevel"]);
        command.args(["info", "--without-gossip", "--without-mingle"]);
        // Two of one name would take each other's requests.
        let name = &self.setup.queue.settings().default_queue;
        command.args(["-n", &format!("{name}-{}@%h", std::process::id())]);
        command.stdout(log.try_clone().expect("a log")).stderr(log);
        let worker = Worker::Python(Killed(command.spawn().expect("a worker")));
        eventually("the Python worker is ready", async || {
            let log = std::fs::read_to_string(&path).unwrap_or_default();
            log.contains(" ready.")
        })
        .await;
        worker
    }

    /// What `produce.py` prints.
    async fn produce(&self, phase: &str, priorities: &Value) -> Value {
        let mut command = self.command("python");
        command.args(["produce.py", phase]);
        command.env("PRIORITIES", priorities.to_string());
        Self::run(command).await
    }

    async fn run(mut command: Command) -> Value {
        let done = tokio::task::spawn_blocking(move || command.output().expect("the script"));
        let done = done.await.expect("its end");
        let errors = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{errors}");
        serde_json::from_slice(&done.stdout).expect("JSON")
    }

    async fn outcome(&self, workflow: impl Into<Signature>) -> ResultMeta {
        let sent = self.setup.queue.send_canvas(workflow.into()).await;
        self.setup.wait(&sent.expect("sent").id).await
    }
}

impl Worker {
    async fn stop(self) {
        match self {
            Self::Rust(worker) => drop(worker.stop().await),
            Self::Python(child) => drop(child),
        }
    }
}

fn call(name: &str, args: Value) -> Call {
    let args = args.as_array().cloned().expect("a list");
    Call::new(name, args, Map::new())
}

fn add(args: Value) -> Signature {
    call("test.add", args).into()
}

/// What a Python producer sees, whoever the worker is.
async fn python_produces(ground: &Ground, worker: impl AsyncFn(&Ground) -> Worker) {
    let priorities = ground.produce("before", &Value::Null).await;
    let worker = worker(ground).await;
    let outcome = ground.produce("with a worker", &priorities).await;
    worker.stop().await;
    let expected = json!({
        "plain": [5, 42],
        "retry": 2,
        "eta": [2, true],
        "chain": 113,
        "group": [2, 4, 6],
        "chord": [90, 10],
        "error": ["FAILURE", "boom", "ChordError"],
        "revoke": "REVOKED",
        "expires": "REVOKED",
        "priority": 2,
    });
    assert_eq!(outcome, expected);
}

/// What a Rust producer sees, whoever the worker is.
async fn rust_produces(ground: &Ground, worker: impl AsyncFn(&Ground) -> Worker) {
    let queue = &ground.setup.queue;
    let mut priorities = Vec::new();
    for priority in [9, 9, 0] {
        let sent = call("test.add", json!([1, 1])).with_priority(priority);
        priorities.push(queue.send_call(sent).await.expect("sent"));
    }
    let worker = worker(ground).await;
    first_is(ground, &priorities, 2).await;
    assert_eq!(ground.outcome(add(json!([2, 3]))).await.result, 5);
    let retried = ground.outcome(call("test.flaky", json!([2]))).await;
    assert_eq!(retried.result, 2);
    let later = call("test.add", json!([1, 1])).after(Duration::from_secs(2));
    let due = later.options.eta.expect("a time");
    let meta = ground.outcome(later).await;
    assert_eq!(meta.result, 2);
    assert!(done_at(&meta) >= due);
    workflows(ground).await;
    let failed = ground.outcome(call("test.fail", json!(["boom"]))).await;
    assert_eq!(failed.status, State::Failure);
    assert_eq!(failed.result["exc_message"], json!(["boom"]));
    revoked_and_expired(ground).await;
    worker.stop().await;
}

async fn workflows(ground: &Ground) {
    let steps = vec![add(json!([1, 2])), add(json!([10])), add(json!([100]))];
    assert_eq!(ground.outcome(Signature::chain(steps)).await.result, 113);
    let members = (1..=3).map(|number| add(json!([number, number]))).collect();
    let sent = ground
        .setup
        .queue
        .send_canvas(Signature::group(members))
        .await;
    for (id, expected) in sent.expect("sent").members.iter().zip([2, 4, 6]) {
        assert_eq!(ground.setup.wait(id).await.result, expected);
    }
    let total = Signature::from(call("test.sum", json!([])));
    let header = (0..10).map(|number| add(json!([number, number]))).collect();
    let chord = ground.outcome(Signature::chord(header, &total)).await;
    assert_eq!(chord.result, 90);
    let both = Signature::chain(vec![add(json!([2])), add(json!([3]))]);
    let split = Signature::group(vec![add(json!([1])), both]);
    let nested = Signature::chain(vec![add(json!([1, 1])), split, total.clone()]);
    assert_eq!(ground.outcome(nested).await.result, 10);
    let broken = vec![
        add(json!([1, 1])),
        call("test.fail", json!(["boom"])).into(),
    ];
    let broken = ground.outcome(Signature::chord(broken, &total)).await;
    assert_eq!(broken.result["exc_type"], "ChordError");
}

async fn revoked_and_expired(ground: &Ground) {
    let queue = &ground.setup.queue;
    let later = call("test.add", json!([1, 1])).after(Duration::from_secs(3));
    let due = later.options.eta.expect("a time");
    let revoked = queue.send_call(later).await.expect("sent");
    queue
        .revoke(std::slice::from_ref(&revoked), false)
        .await
        .expect("told");
    assert_eq!(ground.setup.wait(&revoked).await.status, State::Revoked);
    let mut late = call("test.add", json!([1, 1]));
    late.options.expires = Some(Timestamp::now() - Duration::from_secs(5));
    let expired = ground.outcome(late).await;
    assert_eq!(expired.status, State::Revoked);
    // Its time comes and goes: it is not run all the same.
    eventually("its time is over", async || {
        Timestamp::now() > due + Duration::from_millis(500)
    })
    .await;
    let meta = queue
        .result(&revoked)
        .await
        .expect("an answer")
        .expect("a result");
    assert_eq!(meta.status, State::Revoked);
}

/// Of `ids`, the one at `at` has ended first.
async fn first_is(ground: &Ground, ids: &[TaskId], at: usize) {
    let mut ends = Vec::new();
    for id in ids {
        let meta = tokio::time::timeout(PATIENCE, ground.setup.wait(id)).await;
        ends.push(done_at(&meta.expect("its end")));
    }
    let first = ends.iter().min().expect("an end");
    assert_eq!(
        ends.iter().position(|end| end == first),
        Some(at),
        "{ends:?}"
    );
}

fn done_at(meta: &ResultMeta) -> Timestamp {
    let text = meta.date_done.as_deref().expect("a time");
    parse_iso(text).expect("a time")
}

macro_rules! matrix {
    ($($name:ident: $produces:ident, $broker:ident, $worker:ident;)+) => {
        $(
            #[tokio::test]
            async fn $name() {
                let Some(ground) = Ground::new(BrokerKind::$broker) else {
                    return;
                };
                $produces(&ground, async |ground| matrix!(@ $worker ground)).await;
            }
        )+
    };
    (@ rust $ground:ident) => { $ground.rust_worker() };
    (@ python $ground:ident) => { $ground.python_worker().await };
}

matrix! {
    python_to_rust_on_redis: python_produces, Redis, rust;
    python_to_rust_on_rabbitmq: python_produces, Amqp, rust;
    rust_to_rust_on_redis: rust_produces, Redis, rust;
    rust_to_rust_on_rabbitmq: rust_produces, Amqp, rust;
    rust_to_python_on_redis: rust_produces, Redis, python;
    rust_to_python_on_rabbitmq: rust_produces, Amqp, python;
}

/// What Celery's own client of the remote control sees of our worker, and does with it.
async fn control(broker: BrokerKind) {
    let Some(ground) = Ground::new(broker) else {
        return;
    };
    let worker = ground.setup.worker_with(WorkerSettings {
        queues: Vec::new(),
        concurrency: 3,
        ..WorkerSettings::default()
    });
    let mut command = ground.command("python");
    command.arg("control.py");
    let outcome = Ground::run(command).await;
    let kinds = ["task-received", "task-started", "task-succeeded"];
    let expected = json!({
        "ping": {"ok": "pong"},
        "nobody": null,
        "registered": true,
        "concurrency": 3,
        "queues": [ground.setup.queue.settings().default_queue],
        "scheduled": [],
        "unknown": true,
        "events": [true, kinds, "3"],
        "active": true,
        "terminated": ["REVOKED", "terminated", true],
        "rate_limit": {"ok": "new rate limit set successfully"},
        "rate_shown": true,
        "kept_to": true,
        "bad_rate": true,
    });
    assert_eq!(outcome, expected);
    // It was told to shut down.
    assert_eq!(worker.ended().await, Drained::Complete);
}

#[tokio::test]
async fn celerys_remote_control_steers_our_worker_on_redis() {
    control(BrokerKind::Redis).await;
}

#[tokio::test]
async fn celerys_remote_control_steers_our_worker_on_rabbitmq() {
    control(BrokerKind::Amqp).await;
}
