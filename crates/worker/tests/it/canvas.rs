//! Callbacks and chains.

use kiuas_queue::message::Signature;
use kiuas_queue::{Call, State, TaskId};
use serde_json::{Map, Value, json};

use crate::setup::{Setup, eventually};
use crate::tasks::{Add, Fail};

fn add(number: i64, id: &str) -> Signature {
    let mut options = Map::new();
    options.insert("task_id".to_owned(), json!(id));
    Signature {
        task: "test.add".to_owned(),
        args: vec![json!(number)],
        options,
        ..Signature::default()
    }
}

#[tokio::test]
async fn a_chain_hands_each_result_on() {
    let setup = Setup::new();
    let worker = setup.worker();
    let mut call = Call::of(&Add { x: 1, y: 1 }).expect("a call");
    call.options.chain = vec![add(10, "second"), add(100, "third"), add(1000, "fourth")];
    let first = setup.send_call(call).await;
    let last = setup.wait(&TaskId::from("fourth")).await;
    assert_eq!(last.result, json!(1112));
    assert_eq!(last.rest["parent_id"], "third");
    let meta = setup.wait(&first).await;
    assert_eq!(meta.children, [json!([["second", null], null])]);
    worker.stop().await;
}

#[tokio::test]
async fn callbacks_get_the_result_unless_immutable() {
    let setup = Setup::new();
    let worker = setup.worker();
    let mut fixed = add(1, "fixed");
    fixed.args = vec![json!(7), json!(8)];
    fixed.immutable = Some(true);
    let mut call = Call::of(&Add { x: 2, y: 3 }).expect("a call");
    call.options.link = vec![add(10, "linked"), fixed];
    setup.send_call(call).await;
    assert_eq!(setup.wait(&"linked".into()).await.result, json!(15));
    assert_eq!(setup.wait(&"fixed".into()).await.result, json!(15));
    worker.stop().await;
}

#[tokio::test]
async fn an_error_callback_gets_the_failed_tasks_id() {
    let setup = Setup::new();
    let worker = setup.worker();
    let message = "boom".to_owned();
    let mut call = Call::of(&Fail { message }).expect("a call");
    call.options.link = vec![add(1, "never")];
    call.options.link_error = vec![Signature {
        task: "test.failed".to_owned(),
        ..Signature::default()
    }];
    let id = setup.send_call(call).await;
    assert_eq!(setup.wait(&id).await.status, State::Failure);
    let note = format!("failed {id}");
    eventually("the callback ran", async || {
        setup.state.log() == [note.clone()]
    })
    .await;
    let never = setup.queue.result(&"never".into()).await;
    assert_eq!(never.expect("an answer"), None);
    worker.stop().await;
}

#[tokio::test]
async fn a_captured_python_chain_runs_to_its_end() {
    let setup = Setup::new();
    let worker = setup.worker();
    let captured = include_str!("../../../queue/tests/data/chain.json");
    // The same tasks under this worker's name for them.
    let mut message: Value = serde_json::from_str(captured).expect("JSON");
    let envelope = kiuas_queue::message::Envelope::parse(captured.as_bytes()).expect("an envelope");
    let body = serde_json::to_string(&envelope.body().expect("a body")).expect("JSON");
    message["body"] = json!(body.replace("capapp.add", "test.add"));
    message["properties"]["body_encoding"] = Value::Null;
    message["headers"]["task"] = json!("test.add");
    let _: u64 = setup
        .command(&["LPUSH", "celery", &message.to_string()])
        .await;
    let last = TaskId::from("5d109bc8-88d1-4c25-b245-d0aa34ccc10c");
    assert_eq!(setup.wait(&last).await.result, json!(7));
    worker.stop().await;
}

#[tokio::test]
async fn a_failure_ends_the_rest_of_its_chain() {
    let setup = Setup::new();
    let worker = setup.worker();
    let message = "boom".to_owned();
    let mut call = Call::of(&Fail { message }).expect("a call");
    call.options.chain = vec![add(10, "second"), add(100, "third")];
    setup.send_call(call).await;
    for id in ["second", "third"] {
        let meta = setup.wait(&id.into()).await;
        assert_eq!(meta.status, State::Failure);
        assert_eq!(meta.result["exc_message"], json!(["boom"]));
    }
    worker.stop().await;
}
