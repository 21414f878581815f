//! What is the Redis broker's own: kombu's keys, and how they are treated. What it shares with the other
//! brokers is in `conformance`.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use kiuas_queue::broker::{Broker, Finish, Hold, Swept};
use kiuas_queue::message::Envelope;
use kiuas_queue::{QueueSettings, ResultMeta, State};
use serde_json::{Value, json};

use crate::setup::{LEASE, Setup, call, claim, eventually, json, numbers};

fn success(id: &kiuas_queue::TaskId, value: i64) -> Finish {
    Finish {
        result: Some(ResultMeta::new(id.clone(), State::Success, json!(value))),
        ..Finish::default()
    }
}

#[tokio::test]
async fn a_lower_priority_number_is_served_first() {
    let setup = Setup::new();
    for (number, priority) in [(1, 9), (2, 6), (3, 4), (4, 0), (5, 3)] {
        let call = call(number).with_priority(priority);
        setup.queue.send_call(call).await.expect("a sent task");
    }
    let claimed = claim(&setup.consumer(), 10).await;
    assert_eq!(numbers(&claimed), [4, 3, 5, 2, 1]);
}

#[tokio::test]
async fn queues_take_turns() {
    let setup = Setup::new();
    let queues = ["left".to_owned(), "right".to_owned()];
    for number in 0..4 {
        for queue in &queues {
            let call = call(number).to_queue(queue);
            setup.queue.send_call(call).await.expect("a sent task");
        }
    }
    let consumer = setup.queue.consumer(&queues, LEASE, 8);
    let mut served = Vec::new();
    for _ in 0..4 {
        served.extend(claim(&consumer, 1).await.into_iter().map(|it| it.queue));
    }
    assert_eq!(served, ["left", "right", "left", "right"]);
}

#[tokio::test]
async fn what_is_claimed_is_stored_the_way_kombu_reads_it() {
    let setup = Setup::new();
    let id = setup.send(1).await;
    let claimed = claim(&setup.consumer(), 1).await;
    let tag = claimed[0].tag.as_str();
    let record: Vec<u8> = setup.command(&["HGET", "unacked", tag]).await;
    let record = json(&record);
    assert_eq!(record[0]["headers"]["id"], id.as_str());
    assert_eq!((&record[1], &record[2]), (&json!(""), &json!("celery")));
    assert_eq!(record.as_array().map(Vec::len), Some(3));
    let score: f64 = setup.command(&["ZSCORE", "unacked_index", tag]).await;
    let age = jiff::Timestamp::now().as_second() - score as i64;
    assert!((0..=2).contains(&age), "{score}");
}

#[tokio::test]
async fn an_end_removes_the_record_and_stores_the_result_once() {
    let setup = Setup::new();
    let id = setup.send(1).await;
    let consumer = setup.consumer();
    let claimed = claim(&consumer, 1).await;
    let hold = consumer.finish(&claimed[0], success(&id, 7)).await;
    assert_eq!(hold.expect("an answer"), Hold::Kept);
    assert_eq!(setup.command::<u64>(&["HLEN", "unacked"]).await, 0);
    assert_eq!(setup.command::<u64>(&["ZCARD", "unacked_index"]).await, 0);
    let stored: Vec<u8> = setup
        .command(&["GET", &format!("celery-task-meta-{id}")])
        .await;
    assert_eq!(json(&stored)["result"], 7);
    let hold = consumer.finish(&claimed[0], success(&id, 8)).await;
    assert_eq!(hold.expect("an answer"), Hold::Lost);
    let meta = setup.queue.result(&id).await.expect("an answer");
    assert_eq!(meta.expect("a result").result, json!(7));
}

#[tokio::test]
async fn a_living_workers_tasks_are_left_alone() {
    let setup = Setup::new();
    setup.send(1).await;
    let (holder, other) = (setup.consumer(), setup.consumer());
    let claimed = claim(&holder, 1).await;
    let tag = claimed[0].tag.as_str();
    // As if fetched years ago: the lease alone counts.
    let _: u64 = setup.command(&["ZADD", "unacked_index", "1", tag]).await;
    assert_eq!(other.sweep().await.expect("a sweep"), Swept::default());
    assert_eq!(holder.sweep().await.expect("a sweep"), Swept::default());
    holder.heartbeat().await.expect("a heartbeat");
    let score: f64 = setup.command(&["ZSCORE", "unacked_index", tag]).await;
    assert!(score > 1e9, "kombu's sweep would take it: {score}");
}

#[tokio::test]
async fn a_claim_whose_answer_was_lost_is_found_again() {
    let setup = Setup::new();
    setup.send(1).await;
    let consumer = setup.consumer_with(Duration::from_secs(1));
    let tag = format!("{}:77", consumer.worker_id());
    // What the server does when the client is cut off before the answer.
    let raw: String = setup.command(&["RPOP", "celery"]).await;
    let record = format!("[{raw},\"\",\"celery\"]");
    let _: u64 = setup.command(&["HSET", "unacked", &tag, &record]).await;
    let _: u64 = setup.command(&["ZADD", "unacked_index", "1", &tag]).await;
    consumer.heartbeat().await.expect("a heartbeat");
    assert_eq!(consumer.sweep().await.expect("a sweep").restored, 1);
    assert_eq!(numbers(&claim(&consumer, 1).await), [1]);
}

#[tokio::test]
async fn pythons_tasks_are_restored_after_its_visibility_timeout_only() {
    let setup = Setup::new();
    let consumer = setup.consumer();
    let now = Timestamp::now().as_second();
    for (number, age) in [(1, 3500), (2, 3700)] {
        setup.send(number).await;
        let raw: String = setup.command(&["RPOP", "celery"]).await;
        let tag = uuid::Uuid::new_v4().to_string();
        let record = format!("[{raw}, \"\", \"celery\"]");
        let score = (now - age).to_string();
        let _: u64 = setup.command(&["HSET", "unacked", &tag, &record]).await;
        let _: u64 = setup
            .command(&["ZADD", "unacked_index", &score, &tag])
            .await;
    }
    assert_eq!(consumer.sweep().await.expect("a sweep").restored, 1);
    assert_eq!(numbers(&claim(&consumer, 2).await), [2]);
}

#[tokio::test]
async fn malformed_messages_are_put_aside_on_the_way() {
    let setup = Setup::new();
    let _: u64 = setup
        .command(&["LPUSH", "celery", "not json", "", "[1]", "{\"x\": 1"])
        .await;
    setup.send(1).await;
    let consumer = setup.consumer();
    let claimed = consumer.claim(10).await.expect("a claim");
    assert_eq!(claimed.malformed, 4);
    assert_eq!(numbers(&claimed.deliveries), [1]);
    assert_eq!(setup.length("celery:malformed").await, 4);
    assert_eq!(setup.command::<u64>(&["HLEN", "unacked"]).await, 1);
}

#[tokio::test]
async fn a_deferred_task_comes_back_when_it_is_due_and_keeps_its_priority() {
    let setup = Setup::new();
    setup
        .queue
        .send_call(call(1).with_priority(6))
        .await
        .expect("a sent task");
    let consumer = setup.consumer();
    let claimed = claim(&consumer, 1).await;
    let due = Timestamp::now() + Duration::from_millis(300);
    let hold = consumer.defer(&claimed[0], 6, due).await;
    assert_eq!(hold.expect("an answer"), Hold::Kept);
    let waiting = consumer.move_due().await.expect("an answer");
    assert_eq!(waiting.moved, 0);
    assert!(waiting.next.expect("one waits") <= Duration::from_millis(301));
    eventually("the task is due", async || {
        consumer.move_due().await.expect("an answer").moved == 1
    })
    .await;
    assert!(Timestamp::now() >= due);
    assert_eq!(setup.length("celery\u{6}\u{16}6").await, 1);
    assert_eq!(numbers(&claim(&consumer, 1).await), [1]);
}

#[tokio::test]
async fn an_idle_consumer_wakes_at_once() {
    let setup = Setup::new();
    let consumer = setup.consumer();
    consumer
        .wait(Duration::from_millis(50))
        .await
        .expect("a quiet wait");
    for round in 0..20 {
        assert!(claim(&consumer, 1).await.is_empty());
        let waiting = {
            let consumer = consumer.clone();
            async move {
                consumer
                    .wait(Duration::from_secs(20))
                    .await
                    .expect("a wait");
                Instant::now()
            }
        };
        let sending = async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            let begin = Instant::now();
            setup.send(round).await;
            begin
        };
        let (woken, sent) = tokio::join!(waiting, sending);
        let latency = woken.saturating_duration_since(sent);
        assert!(latency < Duration::from_millis(500), "{latency:?}");
        assert_eq!(numbers(&claim(&consumer, 1).await), [round]);
    }
}

#[tokio::test]
async fn a_full_redis_still_drains() {
    let setup = Setup::new();
    for number in 0..10 {
        setup.send(number).await;
    }
    let _: () = setup.command(&["CONFIG", "SET", "maxmemory", "1"]).await;
    let consumer = setup.consumer();
    let claimed = claim(&consumer, 10).await;
    assert_eq!(claimed.len(), 10);
    for delivery in &claimed {
        let id = Envelope::parse(&delivery.raw)
            .expect("an envelope")
            .headers
            .id;
        let id = kiuas_queue::TaskId::from(id);
        let hold = consumer.finish(delivery, success(&id, 1)).await;
        assert_eq!(hold.expect("an answer"), Hold::Kept);
    }
}

#[tokio::test]
async fn a_prefix_stands_before_every_key() {
    let setup = Setup::with(QueueSettings {
        key_prefix: "site:".to_owned(),
        ..QueueSettings::default()
    });
    let id = setup.send(1).await;
    setup.send(2).await;
    let consumer = setup.consumer();
    let claimed = claim(&consumer, 2).await;
    let finished = consumer.finish(&claimed[0], success(&id, 1)).await;
    assert_eq!(finished.expect("an answer"), Hold::Kept);
    let deferred = consumer.defer(&claimed[1], 0, Timestamp::MAX).await;
    assert_eq!(deferred.expect("an answer"), Hold::Kept);
    let keys: Vec<String> = setup.command(&["KEYS", "*"]).await;
    assert!(keys.len() >= 3, "{keys:?}");
    assert!(keys.iter().all(|key| key.starts_with("site:")), "{keys:?}");
}

#[tokio::test]
async fn an_unreadable_record_stops_nobody() {
    let setup = Setup::new();
    let _: u64 = setup
        .command(&["HSET", "unacked", "kiuas-x-1-2:3", "not json"])
        .await;
    let _: u64 = setup
        .command(&["ZADD", "unacked_index", "1", "kiuas-x-1-2:3"])
        .await;
    let consumer = setup.consumer();
    consumer.sweep().await.expect("a sweep");
    assert_eq!(setup.command::<u64>(&["HLEN", "unacked"]).await, 0);
    assert_eq!(setup.length("unacked:malformed").await, 1);
}

#[tokio::test]
async fn a_message_from_bare_hands_is_claimed() {
    let setup = Setup::new();
    let message = json!({
        "body": "[[1], {}, {}]",
        "content-type": "application/json",
        "headers": {"lang": "py", "task": "test.task", "id": "by-hand"},
    });
    let _: u64 = setup
        .command(&["LPUSH", "celery", &message.to_string()])
        .await;
    let claimed = claim(&setup.consumer(), 1).await;
    assert_eq!(numbers(&claimed), [1]);
    let same: Value = json(&claimed[0].raw);
    assert_eq!(same, message);
}
