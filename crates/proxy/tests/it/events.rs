//! Event streams: every piece goes on at once.

use std::sync::Arc;

use tokio::io::AsyncWriteExt;
use tokio::sync::Semaphore;

use crate::harness::raw::{Count, raw, read_request};
use crate::harness::{Proxy, Visitor, until};

/// Sends an event for each permit.
async fn events(head: &'static str, chunked: bool) -> (String, Count, Arc<Semaphore>) {
    let permits = Arc::new(Semaphore::new(0));
    let given = Arc::clone(&permits);
    let (target, count) = raw(move |mut stream, _| {
        let given = Arc::clone(&given);
        async move {
            drop(read_request(&mut stream).await);
            drop(stream.write_all(head.as_bytes()).await);
            for number in 0.. {
                given.acquire().await.expect("a permit").forget();
                let event = format!("data: {number}\n\n");
                let event = if chunked {
                    format!("{:x}\r\n{event}\r\n", event.len())
                } else {
                    event
                };
                if stream.write_all(event.as_bytes()).await.is_err() {
                    return;
                }
            }
        }
    })
    .await;
    (target, count, permits)
}

async fn read_until(visitor: &mut Visitor, text: &str) -> String {
    let mut all = String::new();
    let read = async {
        while !all.contains(text) {
            let mut piece = [0; 1024];
            let length = tokio::io::AsyncReadExt::read(&mut visitor.stream, &mut piece)
                .await
                .expect("a piece");
            assert!(length > 0, "it ended after {all}");
            all.push_str(&String::from_utf8_lossy(&piece[..length]));
        }
    };
    tokio::time::timeout(crate::harness::PATIENCE, read)
        .await
        .unwrap_or_else(|_| panic!("`{text}` did not come"));
    all
}

#[tokio::test]
async fn each_event_arrives_before_the_next_is_sent() {
    let chunks = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nX-Accel-Buffering: no\r\n\
        Transfer-Encoding: chunked\r\n\r\n";
    let close = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
    // What the lane takes, and what it leaves to hyper.
    for extra in ["", "Cookie: a=b\r\nContent-Length: 0\r\n"] {
        for (head, chunked) in [(chunks, true), (close, false)] {
            let (target, _, permits) = events(head, chunked).await;
            let proxy = Proxy::to(&target);
            let mut visitor = Visitor::connect(proxy.http).await;
            visitor
                .send(format!("GET / HTTP/1.1\r\nHost: a\r\n{extra}\r\n"))
                .await;
            let head = read_until(&mut visitor, "\r\n\r\n").await;
            assert!(head.contains("text/event-stream"), "{head}");
            for number in 0..20 {
                permits.add_permits(1);
                read_until(&mut visitor, &format!("data: {number}\n\n")).await;
            }
        }
    }
}

#[tokio::test]
async fn an_application_learns_that_the_visitor_has_left() {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
    let (target, count, permits) = events(head, false).await;
    let proxy = Proxy::to(&target);
    let mut visitor = Visitor::connect(proxy.http).await;
    visitor.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    permits.add_permits(1);
    read_until(&mut visitor, "data: 0\n\n").await;
    drop(visitor);
    // The writes of the application fail sooner or later: it gives up and takes no more permits.
    until("it is told", || {
        permits.add_permits(1);
        permits.available_permits() > 50
    })
    .await;
    assert_eq!(count.load(std::sync::atomic::Ordering::SeqCst), 1);
}
