//! Tasks whose time has not come.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use kiuas_queue::AnyBroker;
use kiuas_queue::broker::{Broker, Delivery, Hold};
use kiuas_queue::message::{Envelope, parse_iso};

use super::{send, take};
use crate::setup::{PATIENCE, call, numbers};
use crate::stage::Stage;

/// Claims as a worker does, putting aside again what comes before its time.
pub(super) async fn take_when_due(consumer: &AnyBroker) -> Delivery {
    let begin = Instant::now();
    loop {
        assert!(begin.elapsed() < PATIENCE, "nothing was ever due");
        let delivery = take(consumer, 1).await.remove(0);
        let envelope = Envelope::parse(&delivery.raw).expect("an envelope");
        let eta = envelope.headers.eta.as_deref().and_then(parse_iso);
        match eta.filter(|eta| *eta > delivery.claimed_at) {
            Some(eta) => put_off(consumer, &delivery, eta).await,
            None => return delivery,
        }
    }
}

async fn put_off(consumer: &AnyBroker, delivery: &Delivery, eta: Timestamp) {
    let priority = Envelope::parse(&delivery.raw)
        .expect("an envelope")
        .priority();
    let hold = consumer.defer(delivery, priority, eta).await;
    assert_eq!(hold.expect("an answer"), Hold::Kept);
}

pub(super) async fn a_deferred_task_comes_back_when_it_is_due<S: Stage>() {
    let stage = S::start().await;
    send(&stage, 1).await;
    let consumer = stage.consumer();
    let claimed = take(&consumer, 1).await;
    let due = Timestamp::now() + Duration::from_millis(300);
    put_off(&consumer, &claimed[0], due).await;
    let hold = consumer.release(&claimed[0]).await.expect("an answer");
    assert_eq!(hold, Hold::Lost, "put aside is an end");
    let again = take(&consumer, 1).await;
    assert!(Timestamp::now() >= due);
    assert_eq!(numbers(&again), [1]);
    assert_ne!(again[0].tag, claimed[0].tag);
}

pub(super) async fn a_task_sent_for_later_is_not_due_before<S: Stage>() {
    let stage = S::start().await;
    let sent = call(1).after(Duration::from_millis(2300));
    let eta = sent.options.eta.expect("a time");
    stage.queue().send_call(sent).await.expect("a sent task");
    let delivery = take_when_due(&stage.consumer()).await;
    assert!(delivery.claimed_at >= eta);
    assert_eq!(numbers(&[delivery]), [1]);
}

pub(super) async fn a_deferred_task_keeps_its_priority<S: Stage>() {
    let stage = S::start().await;
    let urgent = call(1).with_priority(3);
    stage.queue().send_call(urgent).await.expect("a sent task");
    let consumer = stage.consumer();
    let claimed = take(&consumer, 1).await;
    let due = Timestamp::now() + Duration::from_millis(1200);
    put_off(&consumer, &claimed[0], due).await;
    let envelope = Envelope::parse(&take(&consumer, 1).await[0].raw).expect("an envelope");
    assert_eq!(envelope.priority(), 3);
}

pub(super) async fn what_is_due_sooner_comes_sooner<S: Stage>() {
    let stage = S::start().await;
    for number in [1, 2, 3] {
        send(&stage, number).await;
    }
    let consumer = stage.consumer();
    let claimed = take(&consumer, 3).await;
    let now = Timestamp::now();
    for (delivery, pause) in claimed.iter().zip([900, 600, 300]) {
        put_off(&consumer, delivery, now + Duration::from_millis(pause)).await;
    }
    assert_eq!(numbers(&take(&consumer, 3).await), [3, 2, 1]);
}
