//! Workers that die, and brokers that are away.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use kiuas_queue::State;
use kiuas_queue::broker::{Broker, Finish, Hold, Swept};
use kiuas_queue::message::Envelope;
use serde_json::json;

use super::{is_empty, send, success, take, take_restored};
use crate::setup::{PATIENCE, call, eventually, numbers};
use crate::stage::Stage;

pub(super) async fn a_living_workers_tasks_are_left_alone<S: Stage>() {
    let stage = S::start().await;
    send(&stage, 1).await;
    let (holder, other) = (stage.consumer(), stage.consumer());
    holder.heartbeat().await.expect("a heartbeat");
    let claimed = take(&holder, 1).await;
    // Some lengths of the shortest lease.
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_millis(80)).await;
        assert!(holder.heartbeat().await.expect("a heartbeat").is_empty());
        assert_eq!(other.sweep().await.expect("a sweep"), Swept::default());
        assert_eq!(holder.sweep().await.expect("a sweep"), Swept::default());
    }
    assert!(is_empty(&other).await);
    let hold = holder.finish(&claimed[0], Finish::default()).await;
    assert_eq!(hold.expect("an answer"), Hold::Kept);
}

pub(super) async fn a_dead_workers_task_comes_back_first_and_marked<S: Stage>() {
    let stage = S::start().await;
    send(&stage, 1).await;
    let (dead, other) = (stage.consumer(), stage.consumer());
    take(&dead, 1).await;
    send(&stage, 2).await;
    stage.kill(&dead).await;
    let delivery = take_restored(&other, &other).await;
    let envelope = Envelope::parse(&delivery.raw).expect("an envelope");
    assert!(envelope.is_redelivered());
    assert_eq!(envelope.headers.deliveries, Some(1));
    assert_eq!(numbers(&[delivery]), [1]);
    let next = take(&other, 1).await;
    assert_eq!(numbers(&next), [2]);
}

pub(super) async fn a_stale_holders_end_is_refused<S: Stage>() {
    let stage = S::start().await;
    let id = send(&stage, 1).await;
    let (slow, quick) = (stage.consumer(), stage.consumer());
    let stale = take(&slow, 1).await;
    stage.kill(&slow).await;
    let again = take_restored(&quick, &quick).await;
    let hold = slow.finish(&stale[0], success(&id, 666)).await;
    assert_eq!(hold.expect("an answer"), Hold::Lost);
    let released = slow.release(&stale[0]).await;
    assert_eq!(released.expect("an answer"), Hold::Lost);
    assert_eq!(stage.queue().result(&id).await.expect("an answer"), None);
    let hold = quick.finish(&again, success(&id, 2)).await;
    assert_eq!(hold.expect("an answer"), Hold::Kept);
    let meta = stage.queue().result(&id).await.expect("an answer");
    assert_eq!(meta.expect("a result").result, json!(2));
}

pub(super) async fn a_heartbeat_tells_what_was_lost<S: Stage>() {
    let mut stage = S::start().await;
    send(&stage, 1).await;
    let (slow, quick) = (stage.consumer(), stage.consumer());
    let stale = take(&slow, 1).await;
    assert!(slow.heartbeat().await.expect("a heartbeat").is_empty());
    stage.kill(&slow).await;
    take_restored(&quick, &quick).await;
    stage.interrupt().await;
    let mut lost = Vec::new();
    eventually("the loss is told", async || {
        // An error first, where the connection has to be made anew.
        lost.extend(slow.heartbeat().await.unwrap_or_default());
        !lost.is_empty()
    })
    .await;
    assert_eq!(lost, [stale[0].tag.clone()]);
    assert!(slow.heartbeat().await.expect("a heartbeat").is_empty());
}

pub(super) async fn a_task_that_kills_its_workers_becomes_a_dead_letter<S: Stage>() {
    let stage = S::start().await;
    let id = send(&stage, 1).await;
    let other = stage.consumer();
    for death in 1..=5 {
        let victim = stage.consumer();
        let delivery = take_restored(&victim, &other).await;
        assert_eq!(numbers(&[delivery]), [1], "death {death}");
        stage.kill(&victim).await;
    }
    let mut dead = 0;
    eventually("it is given up", async || {
        let claimed = other.claim(1).await.expect("a claim");
        assert_eq!(claimed.deliveries, [], "it came a sixth time");
        dead += other.sweep().await.expect("a sweep").dead;
        dead > 0
    })
    .await;
    let letters = stage.dead_letters(&stage.default_queue()).await;
    let reason = "5 workers died while they ran it".to_owned();
    assert_eq!((dead, letters), (1, vec![(id.to_string(), reason)]));
    let meta = stage.queue().wait(&id, PATIENCE).await.expect("a result");
    assert_eq!(meta.status, State::Failure);
    assert_eq!(meta.result["exc_type"], "WorkerLostError");
}

pub(super) async fn a_released_task_is_next_again<S: Stage>() {
    let stage = S::start().await;
    send(&stage, 1).await;
    send(&stage, 2).await;
    let (leaving, other) = (stage.consumer(), stage.consumer());
    let claimed = take(&leaving, 1).await;
    leaving.withdraw().await.expect("an answer");
    let hold = leaving.release(&claimed[0]).await.expect("an answer");
    assert_eq!(hold, Hold::Kept);
    leaving.leave().await.expect("an answer");
    assert_eq!(numbers(&take(&other, 2).await), [1, 2]);
}

pub(super) async fn after_an_interruption_everything_is_there<S: Stage>() {
    let mut stage = S::start().await;
    for number in 1..=3 {
        send(&stage, number).await;
    }
    let consumer = stage.consumer();
    consumer.heartbeat().await.expect("a heartbeat");
    let held = take(&consumer, 1).await;
    stage.interrupt().await;
    eventually("tasks can be sent again", async || {
        stage.queue().send_call(call(4)).await.is_ok()
    })
    .await;
    let mut ran = BTreeSet::new();
    let begin = Instant::now();
    // Ours still, or redelivered: never neither. As a worker does, ask until there is an answer.
    let mut hold = None;
    eventually("the end is answered", async || {
        hold = consumer.finish(&held[0], Finish::default()).await.ok();
        hold.is_some()
    })
    .await;
    if hold == Some(Hold::Kept) {
        ran.insert(numbers(&held)[0]);
    }
    while ran != BTreeSet::from([1, 2, 3, 4]) {
        assert!(begin.elapsed() < PATIENCE, "lost: only {ran:?} came");
        drop(consumer.heartbeat().await);
        for delivery in consumer.claim(8).await.unwrap_or_default().deliveries {
            ran.insert(numbers(std::slice::from_ref(&delivery))[0]);
            drop(consumer.finish(&delivery, Finish::default()).await);
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
