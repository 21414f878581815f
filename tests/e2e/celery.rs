//! Python Celery and we use one queue: it sends to our worker, we send to its worker.

use std::path::Path;

use kiuas_common::testing::python_with;
use serde_json::Value;

use crate::harness::eventually::{PATIENCE, eventually};
use crate::harness::ground::Options;
use crate::harness::process::{Process, Start};
use crate::harness::stack::Stack;

const PYTHON_SENDS: &str = "
import sys
from celery import Celery
app = Celery(broker=sys.argv[1], backend=sys.argv[1])
by_position = app.send_task('demo.add', args=[2, 3])
by_name = app.send_task('demo.add', kwargs={'x': 20, 'y': 22})
print(by_position.get(timeout=60), by_name.get(timeout=60))
missing = app.send_task('demo.add', args=['two', 3])
try:
    missing.get(timeout=60)
except Exception as error:
    print('refused:', missing.state)
";

const PYTHON_RUNS: &str = "
import os
from celery import Celery
app = Celery('foreign', broker=os.environ['BROKER'], backend=os.environ['BROKER'])

@app.task(name='python.multiply')
def multiply(a, b=1):
    return a * b
";

#[tokio::test]
async fn python_sends_to_our_worker_and_reads_the_result() {
    let Some(python) = python_with("celery", "celery[redis]==5.*") else {
        return;
    };
    let stack = Stack::start(Options::default()).await;
    let mut script = Start::new("script", python.join("python"))
        .args(["-c", PYTHON_SENDS, &broker(&stack)])
        .spawn(&stack.ground.run);
    let status = script.exit(PATIENCE * 2).await;
    assert!(status.success(), "{status}: {}", script.log());
    assert_eq!(script.output(), "5 42\nrefused: FAILURE\n");
    stack.stop().await;
}

#[tokio::test]
async fn our_site_sends_to_a_python_worker_and_reads_the_result() {
    let Some(python) = python_with("celery", "celery[redis]==5.*") else {
        return;
    };
    let stack = Stack::start(Options::default()).await;
    let mut worker = python_worker(&stack, &python).await;
    let send = ["tasks", "send", "python.multiply", "--queue", "python"];
    let output = stack
        .ground
        .site(&[&send[..], &["--args", "[6, 7]"]].concat())
        .await;
    assert_eq!(result(&stack, output.trim()).await, Value::from(42));
    let output = stack
        .ground
        .site(&[&send[..], &["--args", "[3]", "--kwargs", r#"{"b": 5}"#]].concat())
        .await;
    assert_eq!(result(&stack, output.trim()).await, Value::from(15));
    worker.stop().await;
    stack.stop().await;
}

async fn python_worker(stack: &Stack, python: &Path) -> Process {
    let run = &stack.ground.run;
    std::fs::write(run.join("foreign.py"), PYTHON_RUNS).expect("script");
    let mut start = Start::new("python", python.join("celery"))
        .args(["-A", "foreign", "worker", "-Q", "python", "--pool", "solo"])
        .args(["--loglevel", "info"])
        .env("BROKER", broker(stack));
    start.command.current_dir(run.path());
    let worker = start.spawn(run);
    eventually("the Python worker to start", PATIENCE, async || {
        worker.log().contains(" ready.").then_some(())
    })
    .await;
    worker
}

/// The result of a task, read where Celery's clients read it.
async fn result(stack: &Stack, id: &str) -> Value {
    let redis = stack.ground.redis.queue();
    let key = format!("celery-task-meta-{id}");
    let text = eventually(&format!("the result of `{id}`"), PATIENCE, async || {
        let mut connection = redis.get().await.expect("Redis");
        redis::cmd("GET")
            .arg(&key)
            .query_async::<Option<String>>(&mut connection)
            .await
            .expect("GET")
    })
    .await;
    let meta: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(meta["status"], "SUCCESS", "{meta}");
    meta["result"].clone()
}

/// The test's Redis as Python writes it.
fn broker(stack: &Stack) -> String {
    let socket = stack.ground.redis.socket();
    format!("redis+socket://{}?virtual_host=15", socket.display())
}
