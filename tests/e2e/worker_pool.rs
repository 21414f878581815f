//! A worker under the pool: what its tasks do is seen, a pause holds up new ones alone, and a task that
//! keeps its thread costs its process and nobody else's task.

use std::process::{Command, Output};

use kiuas_common::redis::Redis;
use kiuas_common::testing::TestRedis;
use serde_json::{Value, json};

use crate::harness::eventually::{PATIENCE, eventually};
use crate::harness::ground::binary;
use crate::harness::message;
use crate::harness::process::{Process, Start};
use crate::harness::run::RunDirectory;

const DONE: &str = "done";

/// `kiuas-pool` over one process of `crates/worker/examples/worker.rs`.
struct Pool {
    process: Process,
    redis: TestRedis,
    queue: Redis,
    run: RunDirectory,
}

impl Pool {
    async fn start(settings: &[(&str, &str)]) -> Self {
        let run = RunDirectory::create();
        let redis = TestRedis::start();
        let control = format!("pool.worker.control=unix:{}", control(&run));
        let worker = binary("examples/worker").display().to_string();
        let arguments = [
            "run",
            "--name",
            "worker",
            "--processes",
            "1",
            "--set",
            &control,
        ];
        let mut start = Start::new("pool", binary("kiuas-pool"))
            .args(arguments)
            .args(["--", &worker])
            .env("KIUAS_CONFIG", run.path())
            .env("KIUAS__REDIS__URL", redis.settings().url)
            .env(
                "KIUAS__REDIS__QUEUE_DB",
                redis.settings().queue_db.to_string(),
            )
            .env("KIUAS__WORKER__HARD_GRACE", "500ms")
            .env("KIUAS__POOL__WORKER__JITTER", "0")
            .env("KIUAS__POOL__WORKER__MIN_LIFETIME", "0s");
        for (name, value) in settings {
            start = start.env(name, value);
        }
        let mut process = start.spawn(&run);
        process.ready().await;
        let queue = redis.queue();
        Self {
            process,
            redis,
            queue,
            run,
        }
    }

    fn ctl(&self, arguments: &[&str]) -> Output {
        let output = Command::new(binary("kiuas-pool"))
            .args(["ctl", "--control", &format!("unix:{}", control(&self.run))])
            .args(arguments)
            .output()
            .expect("kiuas-pool ctl");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {errors}");
        output
    }

    fn report(&self, verb: &str) -> Value {
        serde_json::from_slice(&self.ctl(&[verb, "--json"]).stdout).expect("JSON")
    }

    async fn send(&self, name: &str, kwargs: Value) -> String {
        let ids = message::send_many(&self.queue, name, 1, |_| kwargs.clone()).await;
        ids[0].clone()
    }

    async fn mark(&self, number: i64, pause_ms: u64) -> String {
        let kwargs = json!({"list": DONE, "number": number, "pause_ms": pause_ms});
        self.send("demo.mark", kwargs).await
    }

    async fn length(&self, list: &str) -> usize {
        let mut connection = self.queue.get().await.expect("Redis");
        redis::cmd("LLEN")
            .arg(list)
            .query_async(&mut connection)
            .await
            .expect("LLEN")
    }

    async fn wait_for_marks(&self, count: usize) {
        eventually("the tasks to run", PATIENCE, async || {
            (self.length(DONE).await == count).then_some(())
        })
        .await;
    }

    /// Waits until the status fits, and returns it.
    async fn wait_for(&self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        eventually(what, PATIENCE, async || {
            Some(self.report("status")).filter(|status| fits(status))
        })
        .await
    }

    async fn stop(mut self) {
        self.process.stop().await;
        drop(self.redis);
    }
}

fn control(run: &RunDirectory) -> String {
    run.join("control.sock").display().to_string()
}

fn is_running(status: &Value, label: &str) -> bool {
    let running = status["running"].as_array();
    running.is_some_and(|all| all.iter().any(|one| one["label"] == label))
}

#[tokio::test]
async fn a_task_that_keeps_its_thread_is_named_and_its_neighbour_finishes_first() {
    let pool = Pool::start(&[]).await;
    let first = pool.report("status")["processes"][0]["pid"].clone();
    let neighbour = pool.mark(1, 5000).await;
    let blocking = pool.send("demo.block", json!({"pause_ms": 60_000})).await;
    let of = |status: &Value, id: &str| {
        let tasks = status["running"].as_array()?;
        tasks.iter().find(|one| one["id"] == id).cloned()
    };
    let status = pool
        .wait_for("the silence of a thread", |status| {
            of(status, &blocking).is_some_and(|task| task["silent"] == true)
        })
        .await;
    let waits = of(&status, &neighbour).expect("the neighbour is on the board");
    assert_eq!(
        (&waits["kind"], &waits["silent"]),
        (&json!("task"), &json!(false))
    );

    // What every task does now, and where the thread is that one of them keeps.
    let dump = eventually("the thread's stack", PATIENCE, async || {
        let dump = pool.report("dump");
        let threads = dump["processes"][0]["threads"].as_array()?.clone();
        threads.into_iter().find(|thread| {
            let frames = thread["frames"].to_string();
            frames.contains("examples/worker.rs") && frames.contains("sleep")
        })
    })
    .await;
    let running = dump["running"].to_string();
    assert!(
        running.contains("demo.block") && running.contains(&blocking),
        "{dump}"
    );

    // The process goes, but not before the neighbour has finished.
    eventually("the log to name the task", PATIENCE, async || {
        let log = pool.process.log();
        let line = log
            .lines()
            .find(|line| line.contains("is stuck in `demo.block`"))?;
        assert!(line.contains(&blocking), "{line}");
        assert!(line.contains("examples/worker.rs"), "{line}");
        Some(())
    })
    .await;
    let status = pool
        .wait_for("another process", |status| {
            let all = status["processes"].as_array();
            all.is_some_and(|all| all.len() == 1 && all[0]["pid"] != first)
        })
        .await;
    let ends = &status["totals"]["ends"]["stuck"];
    assert!(ends.as_u64().is_some_and(|ends| ends > 0), "{status}");
    pool.wait_for_marks(1).await;
    let events = pool.report("events").to_string();
    assert!(
        events.contains("is stuck in `demo.block` on a blocking call"),
        "{events}"
    );
}

#[tokio::test]
async fn a_paused_worker_finishes_what_it_has_and_takes_nothing_new() {
    let pool = Pool::start(&[]).await;
    pool.mark(1, 1000).await;
    pool.wait_for("the task to run", |status| is_running(status, "demo.mark"))
        .await;
    pool.ctl(&["pause"]);
    let paused = pool
        .wait_for("the pause", |status| {
            status["processes"][0]["state"] == "paused"
        })
        .await;
    assert_eq!(pool.report("stats")["workers"][0]["status"], "pause");
    pool.mark(2, 0).await;
    pool.wait_for_marks(1).await;
    // It said that it pauses, has a free place, and leaves the task where it is.
    pool.wait_for("nothing to run", |status| status["in_flight"] == 0)
        .await;
    assert_eq!(
        (pool.length("celery").await, pool.length(DONE).await),
        (1, 1)
    );
    pool.ctl(&["resume"]);
    pool.wait_for_marks(2).await;
    let resumed = pool
        .wait_for("the end of the pause", |status| {
            status["processes"][0]["state"] == "ready"
        })
        .await;
    assert_eq!(
        resumed["processes"][0]["pid"],
        paused["processes"][0]["pid"]
    );
    pool.stop().await;
}

#[tokio::test]
async fn tasks_are_counted_and_a_worker_is_recycled_after_so_many() {
    let pool = Pool::start(&[("KIUAS__POOL__WORKER__MAX_REQUESTS", "5")]).await;
    for number in 0..4 {
        pool.mark(number, 0).await;
    }
    pool.wait_for_marks(4).await;
    let status = pool
        .wait_for("the counts", |status| status["totals"]["answers"][1] == 4)
        .await;
    assert_eq!(status["totals"]["requests"], 4);
    let old = status["processes"][0]["pid"].clone();
    pool.mark(4, 0).await;
    let status = pool
        .wait_for("a successor", |status| {
            let all = status["processes"].as_array();
            all.is_some_and(|all| all.len() == 1 && all[0]["pid"] != old)
        })
        .await;
    assert_eq!(status["totals"]["ends"]["max_requests"], 1, "{status}");
    assert_eq!(
        status["totals"]["requests"], 5,
        "none is counted twice or lost"
    );
    pool.mark(5, 0).await;
    pool.wait_for_marks(6).await;
    pool.stop().await;
}
