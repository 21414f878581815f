//! One fetch a key; everybody else reads along.

use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::io::AsyncReadExt;
use tokio::sync::{Notify, mpsc};

use super::{Origin, Reply, get, is_hit, proxy, proxy_with};
use crate::harness::{PATIENCE, Visitor, until};

/// An origin whose first answer comes piece by piece from the sender returned; later ones are `other`.
async fn slow(control: &'static str) -> (Origin, mpsc::Sender<Bytes>) {
    let (sender, pieces) = mpsc::channel(16);
    let pieces = Arc::new(Mutex::new(Some(pieces)));
    let origin = Origin::start(move |_| match pieces.lock().take() {
        Some(pieces) => Reply::pieces(pieces).with("cache-control", control),
        None => Reply::cached("other", control),
    })
    .await;
    (origin, sender)
}

async fn begin(proxy: &crate::harness::Proxy) -> Visitor {
    let mut visitor = Visitor::connect(proxy.http).await;
    visitor.send("GET /x HTTP/1.1\r\nHost: a\r\n\r\n").await;
    visitor
}

/// Reads until `text` was seen.
async fn read_until(visitor: &mut Visitor, text: &str) {
    let mut seen = Vec::new();
    let read = async {
        while !String::from_utf8_lossy(&seen).contains(text) {
            let length = visitor.stream.read_buf(&mut seen).await.expect("more");
            assert!(length > 0, "ended: {}", String::from_utf8_lossy(&seen));
        }
    };
    tokio::time::timeout(PATIENCE, read)
        .await
        .expect("it comes");
}

#[tokio::test]
async fn requests_at_a_time_are_one_for_the_application() {
    let (origin, sender) = slow("max-age=60").await;
    let proxy = proxy(&origin);
    let mut visitors = Vec::new();
    for _ in 0..10 {
        visitors.push(begin(&proxy).await);
    }
    sender.send(Bytes::from("whole")).await.expect("room");
    drop(sender);
    let mut collapsed = 0;
    for mut visitor in visitors {
        let answer = visitor.answer(false).await;
        assert!(answer.text().contains("whole"), "{}", answer.text());
        collapsed += usize::from(answer.header("cache-status").contains("collapsed"));
    }
    assert!(collapsed >= 1);
    assert_eq!(origin.count(), 1);
    assert!(is_hit(&get(proxy.http, "/x", "").await));
}

#[tokio::test]
async fn those_who_wait_read_what_has_come_before_the_rest_is_there() {
    let (origin, sender) = slow("max-age=60").await;
    let proxy = proxy(&origin);
    let mut first = begin(&proxy).await;
    sender.send(Bytes::from("beginning")).await.expect("room");
    read_until(&mut first, "beginning").await;
    let mut second = begin(&proxy).await;
    read_until(&mut second, "beginning").await;
    sender.send(Bytes::from("rest")).await.expect("room");
    for visitor in [&mut first, &mut second] {
        read_until(visitor, "rest").await;
    }
    assert_eq!(origin.count(), 1);
}

#[tokio::test]
async fn the_fetch_goes_on_when_its_first_visitor_leaves() {
    let (origin, sender) = slow("max-age=60").await;
    let proxy = proxy(&origin);
    let mut first = begin(&proxy).await;
    sender.send(Bytes::from("beginning")).await.expect("room");
    read_until(&mut first, "beginning").await;
    let mut second = begin(&proxy).await;
    read_until(&mut second, "beginning").await;
    drop(first);
    sender.send(Bytes::from("rest")).await.expect("room");
    drop(sender);
    read_until(&mut second, "0\r\n\r\n").await;
    let answer = get(proxy.http, "/x", "").await;
    assert!(answer.text().contains("beginningrest"), "{}", answer.text());
    assert_eq!(origin.count(), 1);
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_not_stored() {
    let (sender, pieces) = mpsc::channel(1);
    let pieces = Arc::new(Mutex::new(Some(pieces)));
    let origin = Origin::start(move |_| match pieces.lock().take() {
        Some(pieces) => Reply::pieces(pieces)
            .with("cache-control", "max-age=60")
            .with("content-length", "100"),
        None => Reply::cached("whole", "max-age=60"),
    })
    .await;
    let proxy = proxy(&origin);
    let mut first = begin(&proxy).await;
    sender.send(Bytes::from("short")).await.expect("room");
    read_until(&mut first, "short").await;
    drop(sender);
    first.ends().await;
    let second = get(proxy.http, "/x", "").await;
    assert_eq!((second.text().as_str(), is_hit(&second)), ("whole", false));
}

#[tokio::test]
async fn those_who_wait_for_what_is_not_shared_ask_themselves() {
    let gate = Arc::new(Notify::new());
    let held = Arc::clone(&gate);
    let origin = Origin::start(move |asked| {
        let reply = Reply::cached(asked.number.to_string(), "private");
        if asked.number == 1 {
            reply.held(&held)
        } else {
            reply
        }
    })
    .await;
    let proxy = proxy(&origin);
    let visitors = [
        begin(&proxy).await,
        begin(&proxy).await,
        begin(&proxy).await,
    ];
    until("one is at work", || origin.count() == 1).await;
    gate.notify_one();
    let mut bodies = Vec::new();
    for mut visitor in visitors {
        bodies.push(visitor.answer(false).await.text());
    }
    bodies.sort_unstable();
    assert_eq!(bodies, ["1", "2", "3"]);
}

#[tokio::test]
async fn nobody_waits_longer_than_the_settings_say() {
    let gate = Arc::new(Notify::new());
    let held = Arc::clone(&gate);
    let stuck = Origin::start(move |asked| {
        let reply = Reply::cached("other", "max-age=60");
        if asked.number == 1 {
            reply.held(&held)
        } else {
            reply
        }
    })
    .await;
    let proxy = proxy_with(&stuck, "wait = '50ms'", "");
    let first = begin(&proxy).await;
    until("it is at work", || stuck.count() == 1).await;
    assert_eq!(get(proxy.http, "/x", "").await.text(), "other");
    drop((first, gate));
}

#[tokio::test]
async fn an_answer_that_grows_too_large_reaches_its_readers_and_is_not_stored() {
    let (origin, sender) = slow("max-age=60").await;
    let proxy = proxy_with(&origin, "max_size = '64KiB'", "");
    let mut visitor = begin(&proxy).await;
    let feed = tokio::spawn(async move {
        for _ in 0..64 {
            sender
                .send(Bytes::from(vec![b'x'; 64 << 10]))
                .await
                .expect("room");
        }
    });
    let answer = visitor.answer(false).await;
    feed.await.expect("fed");
    let length = answer.body.iter().filter(|byte| **byte == b'x').count();
    assert_eq!(length, 4 << 20);
    let second = get(proxy.http, "/x", "").await;
    assert_eq!((second.text().as_str(), origin.count()), ("other", 2));
}

#[tokio::test]
async fn a_change_meanwhile_keeps_what_is_on_its_way_from_being_stored() {
    let (origin, sender) = slow("max-age=60").await;
    let proxy = proxy(&origin);
    let mut first = begin(&proxy).await;
    sender.send(Bytes::from("old")).await.expect("room");
    read_until(&mut first, "old").await;
    super::send(proxy.http, "POST", "/x", "Content-Length: 0\r\n").await;
    drop(sender);
    read_until(&mut first, "0\r\n\r\n").await;
    assert_eq!(get(proxy.http, "/x", "").await.text(), "other");
}
