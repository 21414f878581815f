//! Reading results and waiting for them.

use std::time::Duration;

use kiuas_queue::broker::{Broker, Finish, Hold};
use kiuas_queue::{ExceptionInfo, QueueError, ResultMeta, State, TaskId};
use serde_json::{Value, json};

use crate::setup::{PATIENCE, Setup, claim};

async fn end(setup: &Setup, id: &TaskId, status: State, value: Value) {
    let consumer = setup.consumer();
    let claimed = claim(&consumer, 1).await;
    let finish = Finish {
        result: Some(ResultMeta::new(id.clone(), status, value)),
        ..Finish::default()
    };
    let hold = consumer.finish(&claimed[0], finish).await;
    assert_eq!(hold.expect("an answer"), Hold::Kept);
}

#[tokio::test]
async fn an_unknown_task_has_no_result() {
    let setup = Setup::new();
    let id = TaskId::random();
    assert_eq!(setup.queue.result(&id).await.expect("an answer"), None);
    let waited = setup.queue.wait(&id, Duration::from_millis(100)).await;
    assert!(
        matches!(waited, Err(QueueError::NoResult { .. })),
        "{waited:?}"
    );
}

#[tokio::test]
async fn a_wait_ends_with_the_final_result_only() {
    let setup = Setup::new();
    let id = setup.send(1).await;
    let waiting = setup.queue.wait(&id, PATIENCE);
    let ending = async {
        end(&setup, &id, State::Retry, json!(null)).await;
        setup.send(2).await;
        end(&setup, &id, State::Success, json!({"sum": 5})).await;
    };
    let (meta, ()) = tokio::join!(waiting, ending);
    let meta = meta.expect("a result");
    assert_eq!(
        (meta.status, &meta.result["sum"]),
        (State::Success, &json!(5))
    );
    let again = setup.queue.wait(&id, PATIENCE).await.expect("a result");
    assert_eq!(again, meta);
}

#[tokio::test]
async fn a_success_is_not_overwritten() {
    let setup = Setup::new();
    let id = setup.send(1).await;
    end(&setup, &id, State::Success, json!(1)).await;
    setup.send(2).await;
    end(&setup, &id, State::Failure, json!(null)).await;
    let meta = setup.queue.result(&id).await.expect("an answer");
    assert_eq!(meta.expect("a result").status, State::Success);
}

#[test]
fn captured_results_are_read_and_written_alike() {
    let captured: Value = serde_json::from_str(include_str!("../data/results.json")).expect("JSON");
    for (name, theirs) in captured.as_object().expect("results") {
        let meta: ResultMeta = serde_json::from_value(theirs.clone()).expect(name);
        assert_eq!(
            &serde_json::to_value(&meta).expect("JSON"),
            theirs,
            "{name}"
        );
    }
}

#[test]
fn our_failures_have_the_captured_form() {
    let captured: Value = serde_json::from_str(include_str!("../data/results.json")).expect("JSON");
    let theirs = &captured["FAILURE_NotRegistered"];
    let id = TaskId::from(theirs["task_id"].as_str().expect("an id"));
    let exception = ExceptionInfo::new("celery.exceptions", "NotRegistered", "nope.task");
    let mut ours = ResultMeta::exception(id, State::Failure, &exception);
    ours.date_done = theirs["date_done"].as_str().map(str::to_owned);
    assert_eq!(&serde_json::to_value(&ours).expect("JSON"), theirs);
}
