//! Reading results and waiting for them.

use std::time::Duration;

use kiuas_queue::{ExceptionInfo, QueueError, ResultMeta, State, TaskId};
use serde_json::Value;

use crate::setup::Setup;

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
