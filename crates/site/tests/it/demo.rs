//! The demonstration tasks.

use std::time::Duration;

use kiuas::queue::{ResultMeta, State};
use serde_json::{Map, Value, json};

use crate::stack::Stack;

const PATIENCE: Duration = Duration::from_secs(30);

async fn send(stack: &Stack, name: &str, args: Vec<Value>, kwargs: Value) -> ResultMeta {
    let kwargs: Map<String, Value> = serde_json::from_value(kwargs).expect("object");
    let queue = stack.queue();
    let id = queue
        .send_raw(name, args, kwargs, None)
        .await
        .expect("sent");
    queue.wait(&id, PATIENCE).await.expect("result")
}

/// What the task `name` answers to positional arguments.
pub(crate) async fn run(stack: &Stack, name: &str, args: Vec<Value>) -> Value {
    send(stack, name, args, json!({})).await.result
}

#[tokio::test]
async fn adding_takes_arguments_by_position_and_by_name() {
    let stack = Stack::start_with_worker().await;
    assert_eq!(run(&stack, "demo.add", vec![1.into(), 2.into()]).await, 3);
    let named = send(&stack, "demo.add", vec![], json!({"y": 40, "x": 2})).await;
    assert_eq!(named.result, 42);
    let large = send(&stack, "demo.add", vec![], json!({"x": i64::MAX, "y": 1})).await;
    assert!(large.status == State::Failure, "{large:?}");
}

#[tokio::test]
async fn a_task_that_fails_twice_succeeds_at_the_third_try() {
    let stack = Stack::start_with_worker().await;
    assert_eq!(run(&stack, "demo.fail", vec![]).await, 2);
}

#[tokio::test]
async fn sleeping_leaves_a_row() {
    let stack = Stack::start_with_worker().await;
    let arguments = json!({"seconds": 0.01, "key": "one"});
    send(&stack, "demo.sleep", vec![], arguments).await;
    let finished = "SELECT count(*) FROM demo_run
                     WHERE key = 'one' AND deliveries = 1 AND finished_at >= started_at";
    assert_eq!(stack.count(finished).await, 1);
}
