//! The members of chords are counted once each, whatever happens to those who count.

use kiuas_common::testing::TestRedis;
use kiuas_queue::broker::{Broker, Finish, Hold};
use kiuas_queue::canvas::{ChordPart, ChordStep, Counted};
use kiuas_queue::message::{Envelope, Signature};
use kiuas_queue::{Call, Queue, QueueSettings, State};
use serde_json::{Map, Value, json};

use crate::setup::LEASE;

fn task(name: &str) -> Signature {
    Call::new(name, Vec::new(), Map::new()).into()
}

/// The end of member `index` with `result`.
fn part(envelope: &Envelope, result: Value) -> ChordPart {
    let body = envelope.body().expect("a body").2.chord.expect("a chord");
    ChordPart {
        group: envelope.headers.group.clone().expect("a group"),
        index: envelope.headers.rest["group_index"].as_u64(),
        task: envelope.headers.id.as_str().into(),
        state: State::Success,
        result,
        body: serde_json::from_value(body).expect("a signature"),
    }
}

async fn counts_once(queue: Queue) {
    let chord = Signature::chord(vec![task("a"), task("b")], &task("body"));
    queue.send_canvas(chord).await.expect("sent");
    let consumer = queue.consumer(&[], LEASE, 8);
    consumer.heartbeat().await.expect("a heartbeat");
    let claimed = consumer.claim(2).await.expect("a claim").deliveries;
    let parts: Vec<_> = (1..)
        .zip(&claimed)
        .map(|(number, delivery)| {
            let envelope = Envelope::parse(&delivery.raw).expect("an envelope");
            part(&envelope, json!(number))
        })
        .collect();
    let count = async |number: usize| {
        let counted = queue.count(&parts[number], None).await;
        counted.expect("an answer")
    };
    let complete = Counted::Complete(vec![json!(1), json!(2)]);
    assert_eq!(count(0).await, Counted::Waiting);
    assert_eq!(
        count(0).await,
        Counted::Waiting,
        "a second run counts no more"
    );
    assert_eq!(count(1).await, complete);
    assert_eq!(count(0).await, Counted::Waiting, "the body is sent once");
    // Whoever was to send the body has died; its task runs again.
    assert_eq!(count(1).await, complete);
    let finish = Finish {
        chords: vec![ChordStep::End {
            group: parts[1].group.clone(),
        }],
        ..Finish::default()
    };
    let hold = consumer.finish(&claimed[1], finish).await;
    assert_eq!(hold.expect("an answer"), Hold::Kept);
    assert_eq!(
        count(1).await,
        Counted::Waiting,
        "a late copy changes nothing"
    );
    assert_eq!(count(0).await, Counted::Waiting);
}

#[tokio::test]
async fn a_member_counts_once_on_redis() {
    let redis = TestRedis::start();
    let queue = Queue::open(redis.queue(), QueueSettings::default());
    counts_once(queue.expect("a queue")).await;
}

#[tokio::test]
async fn a_member_counts_once_in_memory() {
    counts_once(Queue::in_memory(QueueSettings::default())).await;
}
