//! How tasks end: success, retries, failure, limits.

use std::time::Duration;

use jiff::Timestamp;
use kiuas_queue::{Call, State};
use serde_json::{Map, json};

use crate::setup::{Setup, eventually};
use crate::tasks::{Add, Fail, Flaky, Hold, Note, Panic, Slow};

#[tokio::test]
async fn a_result_comes_back() {
    let setup = Setup::new();
    let worker = setup.worker();
    let id = setup.send(&Add { x: 2, y: 3 }).await;
    let meta = setup.wait(&id).await;
    assert_eq!((meta.status, meta.result), (State::Success, json!(5)));
    assert_eq!(setup.command::<u64>(&["HLEN", "unacked"]).await, 0);
    let text = setup.metrics.encode().expect("metrics");
    let line = r#"kiuas_worker_tasks_total{task="test.add",outcome="success"} 1"#;
    assert!(text.contains(line), "{text}");
    worker.stop().await;
}

#[tokio::test]
async fn a_failing_task_is_tried_until_it_succeeds() {
    let setup = Setup::new();
    let worker = setup.worker();
    let id = setup.send(&Flaky { failures: 2 }).await;
    let meta = setup.wait(&id).await;
    assert_eq!((meta.status, meta.result), (State::Success, json!(2)));
    assert_eq!(setup.state.log(), ["try 0", "try 1", "try 2"]);
    assert_eq!(setup.dead_letter().await, None);
    worker.stop().await;
}

#[tokio::test]
async fn used_up_tries_end_in_failure_and_a_dead_letter() {
    let setup = Setup::new();
    let worker = setup.worker();
    let id = setup.send(&Flaky { failures: 99 }).await;
    let meta = setup.wait(&id).await;
    assert_eq!(meta.status, State::Failure);
    assert_eq!(meta.result["exc_type"], "Error");
    assert_eq!(meta.result["exc_module"], "rust.std.io.error");
    assert_eq!(meta.result["exc_message"], json!(["not yet"]));
    assert_eq!(setup.state.log().len(), 4);
    let letter = setup.dead_letter().await.expect("a dead letter");
    assert_eq!(letter["reason"], "failed 4 times, last: Error: not yet");
    assert_eq!(letter["message"]["headers"]["id"], id.as_str());
    worker.stop().await;
}

#[tokio::test]
async fn a_deliberate_failure_is_final() {
    let setup = Setup::new();
    let worker = setup.worker();
    let message = "no such poll".to_owned();
    let id = setup.send(&Fail { message }).await;
    let meta = setup.wait(&id).await;
    assert_eq!(meta.status, State::Failure);
    assert_eq!(meta.result["exc_message"], json!(["no such poll"]));
    assert_eq!(setup.dead_letter().await, None);
    worker.stop().await;
}

#[tokio::test]
async fn a_panic_fails_the_task_alone() {
    let setup = Setup::new();
    let worker = setup.worker();
    let message = "out of cheese".to_owned();
    let id = setup.send(&Panic { message }).await;
    let meta = setup.wait(&id).await;
    assert_eq!(meta.result["exc_type"], "Panic");
    assert_eq!(meta.result["exc_message"], json!(["out of cheese"]));
    let id = setup.send(&Add { x: 1, y: 1 }).await;
    assert_eq!(setup.wait(&id).await.result, json!(2));
    worker.stop().await;
}

#[tokio::test]
async fn the_tasks_own_soft_limit_and_the_messages_hard_limit_stop_it() {
    let setup = Setup::new();
    let worker = setup.worker();
    let soft = setup.send(&Slow).await;
    let mut call = Call::of(&Hold {
        name: "x".to_owned(),
    })
    .expect("a call");
    call.options.hard_time_limit = Some(Duration::from_millis(50));
    let hard = setup.send_call(call).await;
    for (id, name) in [(soft, "SoftTimeLimitExceeded"), (hard, "TimeLimitExceeded")] {
        let meta = setup.wait(&id).await;
        assert_eq!(meta.status, State::Failure);
        assert_eq!(meta.result["exc_type"], name);
        assert_eq!(meta.result["exc_module"], "billiard.exceptions");
        assert_eq!(meta.result["exc_message"], json!([0.05]));
    }
    worker.stop().await;
}

#[tokio::test]
async fn a_task_waits_for_its_time() {
    let setup = Setup::new();
    let worker = setup.worker();
    let pause = Duration::from_millis(700);
    let due = Timestamp::now() + pause;
    let text = "later".to_owned();
    let call = Call::of(&Note { text }).expect("a call").after(pause);
    let late = setup.send_call(call).await;
    eventually("it is put aside", async || {
        setup.command::<u64>(&["ZCARD", "_kiuas.eta.celery"]).await == 1
    })
    .await;
    assert_eq!(setup.command::<u64>(&["HLEN", "unacked"]).await, 0);
    setup.wait(&late).await;
    let late_by = Timestamp::now().duration_since(due);
    assert!(!late_by.is_negative(), "{late_by:?}");
    assert!(late_by.as_secs() < 2, "{late_by:?}");
    assert_eq!(setup.state.log(), ["later"]);
    worker.stop().await;
}

#[tokio::test]
async fn an_expired_task_is_revoked_and_not_run() {
    let setup = Setup::new();
    let text = "too late".to_owned();
    let mut call = Call::of(&Note { text }).expect("a call");
    call.options.expires = Some(Timestamp::now() - Duration::from_secs(1));
    let id = setup.send_call(call).await;
    let worker = setup.worker();
    let meta = setup.wait(&id).await;
    assert_eq!(meta.status, State::Revoked);
    assert_eq!(meta.result["exc_message"], json!(["expired"]));
    assert!(setup.state.log().is_empty());
    worker.stop().await;
}

#[tokio::test]
async fn an_ignored_result_is_not_stored() {
    let setup = Setup::new();
    let mut call = Call::new("test.add", vec![json!(1), json!(2)], Map::new());
    call.options.ignore_result = true;
    let ignored = setup.send_call(call).await;
    let worker = setup.worker();
    let other = setup.send(&Add { x: 1, y: 1 }).await;
    setup.wait(&other).await;
    worker.stop().await;
    assert_eq!(setup.queue.result(&ignored).await.expect("an answer"), None);
    assert_eq!(setup.command::<u64>(&["HLEN", "unacked"]).await, 0);
}

#[tokio::test]
async fn urgent_tasks_overtake() {
    let setup = Setup::new();
    for (text, priority) in [("last", 9), ("middle", 5), ("first", 0)] {
        let note = Note {
            text: text.to_owned(),
        };
        let call = Call::of(&note).expect("a call").with_priority(priority);
        setup.send_call(call).await;
    }
    let worker = setup.worker_with(kiuas_worker::WorkerSettings {
        concurrency: 1,
        ..Default::default()
    });
    eventually("all ran", async || setup.state.log().len() == 3).await;
    assert_eq!(setup.state.log(), ["first", "middle", "last"]);
    worker.stop().await;
}
