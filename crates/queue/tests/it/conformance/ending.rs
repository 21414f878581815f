//! What follows from the end of a task.

use std::time::Duration;

use jiff::Timestamp;
use kiuas_queue::broker::{Broker, Delivery, Finish, Hold};
use kiuas_queue::message::Envelope;
use kiuas_queue::{AnyBroker, ExceptionInfo, QueueError, ResultMeta, State, TaskId};
use serde_json::json;

use super::{is_empty, send, success, take};
use crate::setup::{PATIENCE, call, numbers};
use crate::stage::Stage;

async fn end(consumer: &AnyBroker, delivery: &Delivery, finish: Finish) {
    let hold = consumer.finish(delivery, finish).await;
    assert_eq!(hold.expect("an answer"), Hold::Kept);
}

fn with(id: &TaskId, status: State) -> Finish {
    Finish {
        result: Some(ResultMeta::new(id.clone(), status, json!(null))),
        ..Finish::default()
    }
}

pub(super) async fn an_end_counts_once<S: Stage>() {
    let stage = S::start().await;
    let id = send(&stage, 1).await;
    let consumer = stage.consumer();
    let claimed = take(&consumer, 1).await;
    end(&consumer, &claimed[0], success(&id, 7)).await;
    let hold = consumer.finish(&claimed[0], success(&id, 8)).await;
    assert_eq!(hold.expect("an answer"), Hold::Lost);
    let meta = stage.queue().result(&id).await.expect("an answer");
    assert_eq!(meta.expect("a result").result, json!(7));
    assert!(is_empty(&consumer).await);
    assert!(is_empty(&stage.consumer()).await);
}

pub(super) async fn what_follows_a_task_is_sent_in_order<S: Stage>() {
    let stage = S::start().await;
    send(&stage, 0).await;
    let consumer = stage.consumer();
    let claimed = take(&consumer, 1).await;
    let follow_ups = (1..=5).map(|number| stage.queue().prepare(call(number)).expect("a message"));
    let finish = Finish {
        follow_ups: follow_ups.collect(),
        ..Finish::default()
    };
    end(&consumer, &claimed[0], finish).await;
    assert_eq!(numbers(&take(&consumer, 5).await), [1, 2, 3, 4, 5]);
}

pub(super) async fn a_task_to_be_tried_again_comes_back_when_it_is_due<S: Stage>() {
    let stage = S::start().await;
    let id = send(&stage, 1).await;
    let consumer = stage.consumer();
    let claimed = take(&consumer, 1).await;
    let envelope = Envelope::parse(&claimed[0].raw).expect("an envelope");
    let due = Timestamp::now() + Duration::from_millis(400);
    let again = envelope.retried(&claimed[0].queue, due).expect("a message");
    let finish = Finish {
        again: Some((due, again)),
        ..with(&id, State::Retry)
    };
    end(&consumer, &claimed[0], finish).await;
    let delivery = super::waiting::take_when_due(&consumer).await;
    assert!(delivery.claimed_at >= due);
    let envelope = Envelope::parse(&delivery.raw).expect("an envelope");
    assert_eq!(
        (envelope.retries(), envelope.headers.id.as_str()),
        (1, id.as_str())
    );
    assert!(!envelope.is_redelivered());
}

pub(super) async fn a_task_that_is_given_up_is_a_dead_letter<S: Stage>() {
    let stage = S::start().await;
    let id = send(&stage, 1).await;
    let consumer = stage.consumer();
    let claimed = take(&consumer, 1).await;
    let finish = Finish {
        dead: Some("failed 6 times, last: it rained".to_owned()),
        ..with(&id, State::Failure)
    };
    end(&consumer, &claimed[0], finish).await;
    let letters = stage.dead_letters(&stage.default_queue()).await;
    let reason = "failed 6 times, last: it rained".to_owned();
    assert_eq!(letters, [(id.to_string(), reason)]);
    assert!(is_empty(&consumer).await);
}

pub(super) async fn a_success_is_not_overwritten<S: Stage>() {
    let stage = S::start().await;
    let id = send(&stage, 1).await;
    send(&stage, 2).await;
    let consumer = stage.consumer();
    let claimed = take(&consumer, 2).await;
    end(&consumer, &claimed[0], success(&id, 1)).await;
    end(&consumer, &claimed[1], with(&id, State::Failure)).await;
    let meta = stage.queue().result(&id).await.expect("an answer");
    assert_eq!(meta.expect("a result").status, State::Success);
}

pub(super) async fn a_wait_ends_with_the_final_result_only<S: Stage>() {
    let stage = S::start().await;
    let id = send(&stage, 1).await;
    send(&stage, 2).await;
    let waited = stage.queue().wait(&id, Duration::from_millis(100)).await;
    assert!(
        matches!(waited, Err(QueueError::NoResult { .. })),
        "{waited:?}"
    );
    let consumer = stage.consumer();
    let claimed = take(&consumer, 2).await;
    let waiting = stage.queue().wait(&id, PATIENCE);
    let ending = async {
        end(&consumer, &claimed[0], with(&id, State::Retry)).await;
        end(&consumer, &claimed[1], success(&id, 5)).await;
    };
    let (meta, ()) = tokio::join!(waiting, ending);
    let meta = meta.expect("a result");
    assert_eq!((meta.status, &meta.result), (State::Success, &json!(5)));
    let again = stage.queue().wait(&id, PATIENCE).await.expect("a result");
    assert_eq!(again, meta);
}

pub(super) async fn dependents_of_a_failed_task_get_their_ends<S: Stage>() {
    let stage = S::start().await;
    let id = send(&stage, 1).await;
    let consumer = stage.consumer();
    let claimed = take(&consumer, 1).await;
    let dependent = TaskId::random();
    let exception = ExceptionInfo::new("builtins", "ValueError", "no");
    let finish = Finish {
        dependents: vec![ResultMeta::exception(
            dependent.clone(),
            State::Failure,
            &exception,
        )],
        ..with(&id, State::Failure)
    };
    end(&consumer, &claimed[0], finish).await;
    let meta = stage
        .queue()
        .wait(&dependent, PATIENCE)
        .await
        .expect("a result");
    assert_eq!(meta.result["exc_type"], "ValueError");
}
