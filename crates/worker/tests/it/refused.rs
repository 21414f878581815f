//! What cannot be run is refused visibly, and the worker goes on.

use kiuas_queue::message::Signature;
use kiuas_queue::{Call, State, TaskId};
use serde_json::{Map, Value, json};

use crate::setup::{Setup, eventually};
use crate::tasks::{Add, Note};

async fn refused(setup: &Setup, id: &TaskId) -> Value {
    let meta = setup.wait(id).await;
    assert_eq!(meta.status, State::Failure);
    let letter = setup.dead_letter().await.expect("a dead letter");
    assert_eq!(letter["message"]["headers"]["id"], id.as_str());
    meta.result
}

#[tokio::test]
async fn an_unknown_task_fails_with_its_name() {
    let setup = Setup::new();
    let worker = setup.worker();
    let id = setup.send_call(Call::new("nope", vec![], Map::new())).await;
    let result = refused(&setup, &id).await;
    assert_eq!(result["exc_type"], "NotRegistered");
    assert_eq!(result["exc_module"], "celery.exceptions");
    assert_eq!(result["exc_message"], json!(["nope"]));
    worker.stop().await;
}

#[tokio::test]
async fn arguments_that_do_not_fit_are_a_type_error() {
    let setup = Setup::new();
    let worker = setup.worker();
    let call = Call::new("test.add", vec![json!(1)], Map::new());
    let id = setup.send_call(call).await;
    let result = refused(&setup, &id).await;
    assert_eq!(result["exc_type"], "TypeError");
    let message = result["exc_message"][0].as_str().expect("text");
    assert!(message.contains("missing field `y`"), "{message}");
    worker.stop().await;
}

#[tokio::test]
async fn a_pickled_body_is_disallowed() {
    let setup = Setup::new();
    let worker = setup.worker();
    let message = include_str!("../../../queue/tests/data/serializer-pickle.json");
    let _: u64 = setup.command(&["LPUSH", "celery", message.trim()]).await;
    let message: Value = serde_json::from_str(message).expect("JSON");
    let id = TaskId::from(message["headers"]["id"].as_str().expect("an id"));
    let result = refused(&setup, &id).await;
    assert_eq!(result["exc_type"], "ContentDisallowed");
    worker.stop().await;
}

#[tokio::test]
async fn a_continuation_of_unknown_kind_is_refused_before_its_task_runs() {
    let setup = Setup::new();
    let worker = setup.worker();
    let text = "ran".to_owned();
    let mut call = Call::of(&Note { text }).expect("a call");
    call.options.link = vec![Signature {
        task: "test.note".to_owned(),
        subtask_type: Some("mystery".to_owned()),
        ..Signature::default()
    }];
    let id = setup.send_call(call).await;
    let result = refused(&setup, &id).await;
    assert_eq!(result["exc_type"], "NotImplementedError");
    assert!(setup.state.log().is_empty());
    worker.stop().await;
}

#[tokio::test]
async fn malformed_messages_do_not_stop_the_worker() {
    let setup = Setup::new();
    let worker = setup.worker();
    for message in ["not json", "{}", r#"{"body": 1, "headers": {"task": "t"}}"#] {
        let _: u64 = setup.command(&["LPUSH", "celery", message]).await;
    }
    let id = setup.send(&Add { x: 2, y: 2 }).await;
    assert_eq!(setup.wait(&id).await.result, json!(4));
    eventually("all three are put aside", async || {
        setup.command::<u64>(&["LLEN", "celery:malformed"]).await == 3
    })
    .await;
    eventually("nothing is held", async || {
        setup.command::<u64>(&["HLEN", "unacked"]).await == 0
    })
    .await;
    worker.stop().await;
}
