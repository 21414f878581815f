//! Workers as processes that are killed, and a broker that goes away.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use kiuas_common::testing::TestRedis;
use kiuas_queue::{Call, TaskId};
use serde_json::{Value, json};

use crate::setup::{Setup, eventually};
use crate::tasks::Add;

pub(crate) const DONE: &str = "done";

/// The worker of `examples/worker.rs`; killed when this goes.
pub(crate) struct Process {
    child: Child,
    _directory: tempfile::TempDir,
}

impl Process {
    /// One that serves the queue of `setup` on RabbitMQ.
    pub(crate) fn on_rabbitmq(setup: &Setup) -> Self {
        let queue = setup.queue.settings();
        let name = &queue.default_queue;
        let settings = format!(
            "[queue]\nbroker = \"amqp\"\ndefault_queue = \"{name}\"\n\
             [queue.amqp]\nurl = \"{}\"\n[worker]\nqueues = [\"{name}\"]\n",
            queue.amqp.url
        );
        Self::with(&setup.redis, &settings)
    }

    fn start(redis: &TestRedis) -> Self {
        Self::with(redis, "")
    }

    fn with(redis: &TestRedis, file: &str) -> Self {
        let directory = tempfile::tempdir().expect("temporary directory");
        std::fs::write(directory.path().join("default.toml"), file).expect("a file");
        let settings = redis.settings();
        let child = Command::new(example())
            .env("KIUAS_CONFIG", directory.path())
            .env("KIUAS__REDIS__URL", &settings.url)
            .env("KIUAS__REDIS__QUEUE_DB", settings.queue_db.to_string())
            .env("KIUAS__TELEMETRY__LEVEL", "warn")
            .stdin(Stdio::null())
            .spawn()
            .expect("the example worker");
        Self {
            child,
            _directory: directory,
        }
    }

    /// SIGKILL: no farewell.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("SIGKILL");
        self.child.wait().expect("its end");
    }

    pub(crate) fn terminate(&mut self) -> Option<i32> {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("SIGTERM");
        self.child.wait().expect("its end").code()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Cargo builds the examples of a crate with its tests, two directories up.
fn example() -> PathBuf {
    let test = std::env::current_exe().expect("this test");
    let profile = test
        .parent()
        .and_then(|deps| deps.parent())
        .expect("target directory");
    profile.join("examples").join("worker")
}

pub(crate) fn mark(number: i64, pause_ms: u64) -> Call {
    let kwargs = json!({"list": DONE, "number": number, "pause_ms": pause_ms});
    let Value::Object(kwargs) = kwargs else {
        panic!("not a map")
    };
    Call::new("demo.mark", Vec::new(), kwargs)
}

pub(crate) async fn done(setup: &Setup) -> Vec<i64> {
    setup.command(&["LRANGE", DONE, "0", "-1"]).await
}

#[tokio::test]
async fn a_killed_worker_loses_none_of_500_tasks() {
    let setup = Setup::new();
    for number in 0..500 {
        setup.send_call(mark(number, 50)).await;
    }
    let mut first = Process::start(&setup.redis);
    eventually("a fifth is done", async || done(&setup).await.len() >= 100).await;
    first.kill();
    let killed = Instant::now();
    let held: u64 = setup.command(&["HLEN", "unacked"]).await;
    assert!(held > 0, "the kill hit nothing");
    let mut second = Process::start(&setup.redis);
    eventually("all are done", async || {
        let distinct: BTreeSet<i64> = done(&setup).await.into_iter().collect();
        distinct.len() == 500
    })
    .await;
    assert!(killed.elapsed() < Duration::from_secs(15));
    // Only what the victim had in its hands can have run twice.
    let runs = u64::try_from(done(&setup).await.len()).expect("a small number");
    assert!(runs <= 500 + held, "{runs} runs, {held} were held");
    assert_eq!(second.terminate(), Some(0));
    assert_eq!(setup.command::<u64>(&["HLEN", "unacked"]).await, 0);
}

#[tokio::test]
async fn a_task_whose_worker_is_killed_runs_again_within_15_seconds() {
    let setup = Setup::new();
    let id = setup.send_call(mark(1, 1_000)).await;
    let mut victim = Process::start(&setup.redis);
    eventually("it runs", async || {
        setup.command::<u64>(&["HLEN", "unacked"]).await == 1
    })
    .await;
    let _other = Process::start(&setup.redis);
    victim.kill();
    let killed = Instant::now();
    assert!(done(&setup).await.is_empty(), "it was done before the kill");
    setup.wait(&id).await;
    let took = killed.elapsed();
    // One of these seconds is the task itself.
    assert!(took < Duration::from_secs(15), "{took:?}");
    assert_eq!(done(&setup).await, [1]);
}

#[tokio::test]
async fn a_worker_outlives_its_broker() {
    let mut setup = Setup::over(TestRedis::start_with(&["--appendonly", "yes"]));
    let worker = setup.worker();
    let mut ids: Vec<TaskId> = Vec::new();
    for x in 0..100 {
        ids.push(setup.send(&Add { x, y: 0 }).await);
    }
    setup.redis.stop();
    tokio::time::sleep(Duration::from_millis(500)).await;
    setup.redis.start_again();
    eventually("the client is back", async || {
        match setup.queue.send(&Add { x: 100, y: 0 }).await {
            Ok(id) => {
                ids.push(id);
                true
            }
            Err(_) => false,
        }
    })
    .await;
    for (x, id) in ids.iter().enumerate() {
        assert_eq!(setup.wait(id).await.result, json!(x));
    }
    worker.stop().await;
}
