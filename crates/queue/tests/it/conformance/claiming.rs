//! What a claim brings, in which order, and what it leaves.

use std::time::Duration;

use jiff::Timestamp;
use kiuas_queue::QueueError;
use kiuas_queue::broker::{Broker, Finish, Hold};
use kiuas_queue::message::{Envelope, Outgoing};
use serde_json::json;

use super::{is_empty, send, take};
use crate::setup::{PATIENCE, call, numbers};
use crate::stage::Stage;

pub(super) async fn a_claim_brings_the_oldest_first_and_no_more_than_asked<S: Stage>() {
    let stage = S::start().await;
    for number in 0..5 {
        send(&stage, number).await;
    }
    let consumer = stage.consumer();
    assert_eq!(numbers(&take(&consumer, 3).await), [0, 1, 2]);
    assert_eq!(numbers(&take(&consumer, 2).await), [3, 4]);
    assert!(is_empty(&consumer).await);
}

pub(super) async fn a_lower_priority_number_is_served_first<S: Stage>() {
    let stage = S::start().await;
    for (number, priority) in [(1, 9), (2, 6), (3, 0), (4, 3), (5, 0)] {
        let call = call(number).with_priority(priority);
        stage.queue().send_call(call).await.expect("a sent task");
    }
    let claimed = take(&stage.consumer(), 5).await;
    assert_eq!(numbers(&claimed), [3, 5, 4, 2, 1]);
    let envelope = Envelope::parse(&claimed[2].raw).expect("an envelope");
    assert_eq!(
        envelope.priority(),
        3,
        "the number means the same everywhere"
    );
}

pub(super) async fn no_queue_waits_for_another_to_be_empty<S: Stage>() {
    let stage = S::start().await;
    let base = stage.default_queue();
    let queues = [format!("{base}-left"), format!("{base}-right")];
    for number in 0..20 {
        for queue in &queues {
            let call = call(number).to_queue(queue);
            stage.queue().send_call(call).await.expect("a sent task");
        }
    }
    let consumer = stage.consumer_of(&queues);
    let mut left = 0;
    for _ in 0..20 {
        let claimed = take(&consumer, 1).await;
        left += usize::from(claimed[0].queue == queues[0]);
        let hold = consumer.finish(&claimed[0], Finish::default()).await;
        assert_eq!(hold.expect("an answer"), Hold::Kept);
    }
    assert!((5..=15).contains(&left), "{left} of 20 from one queue");
}

pub(super) async fn an_idle_consumer_is_woken<S: Stage>() {
    let stage = S::start().await;
    let consumer = stage.consumer();
    assert!(is_empty(&consumer).await);
    for round in 0..10 {
        let waiting = async {
            // Far longer than our patience: only what was sent can end it in time.
            let woken = consumer.wait(PATIENCE * 10);
            tokio::time::timeout(PATIENCE, woken)
                .await
                .expect("a wake-up")
                .expect("a wait");
        };
        let sending = async {
            tokio::task::yield_now().await;
            send(&stage, round).await;
        };
        tokio::join!(waiting, sending);
        let claimed = take(&consumer, 1).await;
        assert_eq!(numbers(&claimed), [round]);
        let hold = consumer.finish(&claimed[0], Finish::default()).await;
        assert_eq!(hold.expect("an answer"), Hold::Kept);
    }
}

pub(super) async fn what_is_no_task_is_put_aside_and_stops_nobody<S: Stage>() {
    let stage = S::start().await;
    let queue = stage.default_queue();
    let nonsense = [
        "not json",
        "[1]",
        r#"{"x": 1}"#,
        r#"{"headers": {}, "body": 7}"#,
    ];
    for text in nonsense {
        let message = Outgoing {
            id: "".into(),
            queue: queue.clone(),
            priority: 0,
            text: text.to_owned(),
        };
        stage.queue().push(&[message]).await.expect("a sent text");
    }
    send(&stage, 1).await;
    let consumer = stage.consumer();
    let mut tasks = Vec::new();
    let mut aside = 0;
    while tasks.is_empty() || aside < nonsense.len() as u64 {
        let claimed = consumer.claim(10).await.expect("a claim");
        aside += claimed.malformed;
        for delivery in claimed.deliveries {
            match Envelope::parse(&delivery.raw) {
                Ok(_) => tasks.push(delivery),
                Err(error) => {
                    let hold = consumer.divert(&delivery, &error.to_string()).await;
                    assert_eq!(hold.expect("an answer"), Hold::Kept);
                    aside += 1;
                }
            }
        }
    }
    assert_eq!(numbers(&tasks), [1]);
    assert_eq!(stage.malformed(&queue).await, nonsense.len());
    assert!(is_empty(&consumer).await);
}

pub(super) async fn what_was_fetched_ahead_goes_to_others<S: Stage>() {
    let stage = S::start().await;
    for number in 0..6 {
        send(&stage, number).await;
    }
    let (leaving, other) = (stage.consumer(), stage.consumer());
    assert_eq!(numbers(&take(&leaving, 1).await), [0]);
    leaving.withdraw().await.expect("an answer");
    assert_eq!(numbers(&take(&other, 5).await), [1, 2, 3, 4, 5]);
    send(&stage, 6).await;
    other.withdraw().await.expect("an answer");
    assert_eq!(numbers(&take(&leaving, 1).await), [6], "a pause ends");
}

pub(super) async fn an_expired_task_is_delivered_so_that_its_end_can_be_told<S: Stage>() {
    let stage = S::start().await;
    let mut expired = call(1);
    expired.options.expires = Some(Timestamp::now() - Duration::from_secs(60));
    let mut fresh = call(2);
    fresh.options.expires = Some(Timestamp::now() + Duration::from_secs(60));
    for call in [expired, fresh] {
        stage.queue().send_call(call).await.expect("a sent task");
    }
    assert_eq!(numbers(&take(&stage.consumer(), 2).await), [1, 2]);
}

pub(super) async fn a_message_that_is_too_long_is_refused<S: Stage>() {
    let stage = S::start().await;
    let mut long = call(1);
    long.args.push(json!("x".repeat(16 << 20)));
    let refused = stage.queue().send_call(long).await;
    assert!(
        matches!(refused, Err(QueueError::Message(_))),
        "{refused:?}"
    );
}
