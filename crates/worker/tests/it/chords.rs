//! Workflows with more than one end, on each broker.

use kiuas_queue::message::Signature;
use kiuas_queue::{Call, State, Task};
use serde_json::{Map, Value, json};

use crate::setup::{Setup, eventually};
use crate::tasks::{Add, Fail, Flaky, Note, State as Log};

fn task<T: Task<Log>>(task: &T) -> Signature {
    Call::of(task).expect("a call").into()
}

fn add(x: i64, y: i64) -> Signature {
    task(&Add { x, y })
}

/// Adds `number` to the result of what went before.
fn plus(number: i64) -> Signature {
    Call::new("test.add", vec![json!(number)], Map::new()).into()
}

fn named(name: &str) -> Signature {
    Call::new(name, Vec::new(), Map::new()).into()
}

/// Runs `promise` on each broker that is there.
async fn everywhere(promise: impl AsyncFn(&Setup)) {
    for setup in Setup::everywhere() {
        let worker = setup.worker();
        promise(&setup).await;
        worker.stop().await;
    }
}

async fn outcome(setup: &Setup, workflow: Signature) -> Value {
    let sent = setup.queue.send_canvas(workflow).await.expect("sent");
    let meta = setup.wait(&sent.id).await;
    assert_eq!(meta.status, State::Success, "{meta:?}");
    meta.result
}

#[tokio::test]
async fn a_chords_body_gets_the_results_in_the_headers_order() {
    everywhere(async |setup| {
        let header = (0..20).map(|number| add(number, 100)).collect();
        let chord = Signature::chord(header, &named("test.list"));
        let expected: Vec<i64> = (100..120).collect();
        assert_eq!(outcome(setup, chord).await, json!(expected));
    })
    .await;
}

#[tokio::test]
async fn a_chord_of_none_or_one_runs_its_body() {
    everywhere(async |setup| {
        let none = Signature::chord(Vec::new(), &named("test.list"));
        assert_eq!(outcome(setup, none).await, json!([]));
        let one = Signature::chord(vec![add(1, 2)], &named("test.list"));
        assert_eq!(outcome(setup, one).await, json!([3]));
    })
    .await;
}

#[tokio::test]
async fn chords_in_chords_and_chains_and_groups_keep_their_shape() {
    everywhere(async |setup| {
        let inner = Signature::chord(vec![add(1, 1), add(2, 2)], &named("test.sum"));
        let chain = Signature::chain(vec![add(1, 2), plus(10)]);
        let split = Signature::chain(vec![add(1, 0), Signature::group(vec![plus(1), plus(2)])]);
        let header = vec![inner, chain, split, add(0, 9)];
        let outer = Signature::chord(header, &named("test.list"));
        assert_eq!(outcome(setup, outer).await, json!([6, 13, [2, 3], 9]));
    })
    .await;
}

#[tokio::test]
async fn what_follows_a_group_in_a_chain_gets_all_its_results() {
    everywhere(async |setup| {
        let chain = Signature::chain(vec![
            add(1, 1),
            Signature::group(vec![plus(1), plus(2), plus(3)]),
            named("test.sum"),
            plus(100),
        ]);
        assert_eq!(outcome(setup, chain).await, json!(112));
    })
    .await;
}

#[tokio::test]
async fn a_retried_member_counts_once() {
    everywhere(async |setup| {
        let header = vec![task(&Flaky { failures: 2 }), add(1, 1)];
        let chord = Signature::chord(header, &named("test.list"));
        assert_eq!(outcome(setup, chord).await, json!([2, 2]));
    })
    .await;
}

#[tokio::test]
async fn a_failed_member_fails_the_body_and_what_follows_it() {
    everywhere(async |setup| {
        let message = "boom".to_owned();
        let header = vec![task(&Fail { message }), add(1, 1)];
        let body = named("test.list").link_error(&named("test.failed"));
        let chord = Signature::chord(header, &body);
        let outer = Signature::chord(vec![add(1, 1), chord], &named("test.list"));
        let sent = setup.queue.send_canvas(outer).await.expect("sent");
        let meta = setup.wait(&sent.id).await;
        assert_eq!(meta.status, State::Failure);
        assert_eq!(meta.result["exc_type"], "ChordError");
        eventually("the inner body's callback is told", async || {
            setup
                .state
                .log()
                .iter()
                .any(|line| line.starts_with("failed "))
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn a_failure_in_a_members_chain_fails_the_body() {
    everywhere(async |setup| {
        let message = "boom".to_owned();
        let chain = Signature::chain(vec![task(&Fail { message }).immutable(), plus(1), plus(2)]);
        let chord = Signature::chord(vec![add(1, 1), chain], &named("test.list"));
        let sent = setup.queue.send_canvas(chord).await.expect("sent");
        let meta = setup.wait(&sent.id).await;
        assert_eq!(meta.status, State::Failure);
        let reason = meta.result["exc_message"][0].as_str().expect("a reason");
        assert!(reason.contains("boom"), "{reason}");
    })
    .await;
}

#[tokio::test]
async fn the_members_of_a_group_all_run() {
    everywhere(async |setup| {
        let group = Signature::group(vec![
            add(1, 1),
            Signature::group(vec![add(2, 2), add(3, 3)]),
        ]);
        let sent = setup.queue.send_canvas(group).await.expect("sent");
        let mut results = Vec::new();
        for id in &sent.members {
            results.push(setup.wait(id).await.result);
        }
        assert_eq!(results, [json!(2), json!(4), json!(6)]);
    })
    .await;
}

#[tokio::test]
async fn a_map_runs_its_task_for_each_item() {
    everywhere(async |setup| {
        let items = vec![json!([1, 2]), json!([3, 4])];
        let map = Signature::map(&named("test.sum"), items);
        assert_eq!(outcome(setup, map).await, json!([3, 7]));
    })
    .await;
}

#[tokio::test]
async fn a_group_can_be_a_callback() {
    everywhere(async |setup| {
        let note = |text: &str| {
            task(&Note {
                text: text.to_owned(),
            })
            .immutable()
        };
        let linked = Signature::group(vec![note("one"), note("two")]);
        let sent = setup.queue.send_canvas(add(1, 1).link(&linked)).await;
        setup.wait(&sent.expect("sent").id).await;
        eventually("both run", async || {
            let mut log = setup.state.log();
            log.sort();
            log == ["one", "two"]
        })
        .await;
    })
    .await;
}
