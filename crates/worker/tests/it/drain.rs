//! The end of a worker.

use kiuas_queue::Task;
use kiuas_worker::Drained;
use serde_json::json;

use crate::setup::{Setup, drain_within, eventually};
use crate::tasks::{Add, Hold};

#[tokio::test]
async fn a_drain_lets_running_tasks_finish_and_takes_no_more() {
    let setup = Setup::new();
    let worker = setup.worker();
    let name = "a".to_owned();
    let held = setup.send(&Hold { name }).await;
    eventually("it runs", async || setup.state.log() == ["began a"]).await;
    worker.shutdown.begin();
    let waiting = setup.send(&Add { x: 1, y: 1 }).await;
    setup.state.release.notify_one();
    assert_eq!(worker.stop().await, Drained::Complete);
    setup.wait(&held).await;
    assert_eq!(setup.state.log(), ["began a", "ended a"]);
    assert_eq!(setup.queue.result(&waiting).await.expect("an answer"), None);
    assert_eq!(setup.command::<u64>(&["LLEN", "celery"]).await, 1);
    let keys: Vec<String> = setup.command(&["KEYS", "_kiuas.alive.*"]).await;
    assert!(keys.is_empty(), "{keys:?}");
}

#[tokio::test]
async fn what_does_not_finish_in_time_is_next_for_others() {
    let setup = Setup::new();
    let worker = setup.worker_with(drain_within(100));
    let name = "a".to_owned();
    setup.send(&Hold { name }).await;
    eventually("it runs", async || setup.state.log() == ["began a"]).await;
    worker.shutdown.begin();
    let behind = setup.send(&Add { x: 1, y: 1 }).await;
    assert_eq!(worker.stop().await, Drained::Released(1));
    let next: String = setup.command(&["LINDEX", "celery", "-1"]).await;
    assert!(next.contains(<Hold as Task<_>>::NAME), "{next}");
    let other = setup.worker();
    eventually("it runs again", async || setup.state.log().len() == 2).await;
    setup.state.release.notify_one();
    assert_eq!(setup.wait(&behind).await.result, json!(2));
    assert_eq!(other.stop().await, Drained::Complete);
}

#[tokio::test]
async fn a_second_signal_cuts_the_drain_short() {
    let setup = Setup::new();
    let worker = setup.worker();
    let name = "a".to_owned();
    setup.send(&Hold { name }).await;
    eventually("it runs", async || setup.state.log() == ["began a"]).await;
    worker.shutdown.cut();
    assert_eq!(worker.stop().await, Drained::Released(1));
    assert_eq!(setup.command::<u64>(&["LLEN", "celery"]).await, 1);
}
