use super::*;

fn message(text: &str) -> Event {
    Event::Message(text.into())
}

#[tokio::test]
async fn a_message_reaches_the_subscribers_of_its_channel_alone() {
    let hub = Hub::new("live:".to_owned());
    let (mut one, mut two) = (hub.subscribe("a"), hub.subscribe("a"));
    let mut other = hub.subscribe("b");
    hub.subscribers.lock().send("a", &message("1"));
    hub.subscribers.lock().send_all(&Event::Resync);
    assert_eq!(one.next().await, Some(message("1")));
    assert_eq!(two.next().await, Some(message("1")));
    assert_eq!(other.next().await, Some(Event::Resync));
}

#[tokio::test]
async fn a_slow_subscriber_is_dropped_and_the_others_go_on() {
    let hub = Hub::new("live:".to_owned());
    let (mut slow, mut quick) = (hub.subscribe("a"), hub.subscribe("a"));
    for number in 0..=QUEUE {
        hub.subscribers
            .lock()
            .send("a", &message(&number.to_string()));
        assert_eq!(quick.next().await, Some(message(&number.to_string())));
    }
    let mut received = 0;
    while slow.next().await.is_some() {
        received += 1;
    }
    assert_eq!(received, QUEUE);
    assert_eq!(hub.subscribers.lock().channels["a"].len(), 1);
}

#[tokio::test]
async fn the_last_subscriber_takes_its_channel_along() {
    let hub = Hub::new("live:".to_owned());
    let (one, two) = (hub.subscribe("a"), hub.subscribe("a"));
    drop(one);
    assert_eq!(hub.subscribers.lock().channels["a"].len(), 1);
    drop(two);
    assert!(hub.subscribers.lock().channels.is_empty());
}
