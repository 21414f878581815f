//! Broken, slow and absent applications.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::harness::raw::read_request;
use crate::harness::{App, Proxy, Visitor, until};

/// Answers the first request of each connection and hangs up when the second one has arrived; every
/// request is counted.
async fn hangs_up_on_the_second() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("port");
    let target = listener.local_addr().expect("address").to_string();
    let requests = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&requests);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let count = Arc::clone(&count);
            tokio::spawn(async move {
                if read_request(&mut stream).await.is_some() {
                    count.fetch_add(1, Ordering::SeqCst);
                    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
                    drop(stream.write_all(answer).await);
                }
                if read_request(&mut stream).await.is_some() {
                    count.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
    });
    (target, requests)
}

#[tokio::test]
async fn a_get_that_a_dying_connection_swallowed_is_sent_again_once() {
    let (target, requests) = hangs_up_on_the_second().await;
    let proxy = Proxy::to(&target);
    assert_eq!(Visitor::get(proxy.http, "/1").await.status, 200);
    assert_eq!(Visitor::get(proxy.http, "/2").await.status, 200);
    assert_eq!(requests.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn a_post_that_may_have_arrived_is_not_sent_again() {
    let (target, requests) = hangs_up_on_the_second().await;
    let proxy = Proxy::to(&target);
    assert_eq!(Visitor::get(proxy.http, "/1").await.status, 200);
    let post = "POST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc";
    assert_eq!(Visitor::ask(proxy.http, post).await.status, 502);
    let empty = "POST /3 HTTP/1.1\r\nHost: a\r\n\r\n";
    assert_eq!(Visitor::ask(proxy.http, empty).await.status, 200);
    assert_eq!(requests.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn a_post_goes_over_a_new_connection_when_the_kept_one_is_closed() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("port");
    let target = listener.local_addr().expect("address").to_string();
    let closed = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&closed);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            if read_request(&mut stream).await.is_some() {
                let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
                drop(stream.write_all(answer).await);
            }
            drop(stream);
            count.fetch_add(1, Ordering::SeqCst);
        }
    });
    let proxy = Proxy::to(&target);
    for round in 1..=20 {
        let post = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc";
        assert_eq!(
            Visitor::ask(proxy.http, post).await.status,
            200,
            "round {round}"
        );
        until("the application hung up", || {
            closed.load(Ordering::SeqCst) >= round
        })
        .await;
    }
}

#[tokio::test]
async fn nobody_behind_is_a_page_with_502() {
    let proxy = Proxy::to("unix:/nowhere/at/all.sock");
    let request = "GET / HTTP/1.1\r\nHost: a\r\nAccept: text/html\r\n\r\n";
    let answer = Visitor::ask(proxy.http, request).await;
    assert_eq!(answer.status, 502);
    assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
    assert!(answer.text().contains(answer.header("x-request-id")));
    assert!(
        !answer.text().contains("nowhere"),
        "it tells what is behind"
    );
    let head = Visitor::ask(
        proxy.http,
        "HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    )
    .await;
    assert_eq!((head.status, head.body.len()), (502, 0));
}

#[tokio::test]
async fn another_target_takes_over_for_a_dead_one() {
    let app = App::start().await;
    let proxy = Proxy::to(&format!("unix:/nowhere/at/all.sock,{}", app.target));
    for _ in 0..4 {
        let post = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc";
        assert_eq!(Visitor::ask(proxy.http, post).await.text(), "abc");
    }
    assert_eq!(app.take().len(), 4);
}

#[tokio::test]
async fn an_application_that_does_not_answer_in_time_is_504() {
    let app = App::start().await;
    let settings = format!(
        "{}response_timeout = '200ms'\n",
        crate::harness::proxy::app(&app.target)
    );
    let proxy = Proxy::start(&settings);
    assert_eq!(Visitor::get(proxy.http, "/slow/10000").await.status, 504);
    assert_eq!(Visitor::get(proxy.http, "/").await.status, 200);
}

#[tokio::test]
async fn rubbish_from_an_application_is_502() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("port");
    let target = listener.local_addr().expect("address").to_string();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            drop(read_request(&mut stream).await);
            drop(stream.write_all(b"rubbish\r\n\r\n").await);
        }
    });
    let proxy = Proxy::to(&target);
    assert_eq!(Visitor::get(proxy.http, "/").await.status, 502);
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_not_passed_on_as_whole() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("port");
    let target = listener.local_addr().expect("address").to_string();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            drop(read_request(&mut stream).await);
            let answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n";
            drop(stream.write_all(answer).await);
        }
    });
    let proxy = Proxy::to(&target);
    let mut visitor = Visitor::connect(proxy.http).await;
    visitor.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let mut all = Vec::new();
    drop(visitor.stream.read_to_end(&mut all).await);
    let all = String::from_utf8_lossy(&all);
    assert!(all.contains("abc") && !all.ends_with("0\r\n\r\n"), "{all}");
}

#[tokio::test]
async fn too_many_at_a_time_wait_and_then_are_turned_away() {
    let app = App::start().await;
    let settings = format!(
        "{}max_connections = 1\nmax_waiting = 1\nwait_timeout = '10s'\n",
        crate::harness::proxy::app(&app.target)
    );
    let proxy = Proxy::start(&settings);
    let address = proxy.http;
    let first = tokio::spawn(Visitor::get(address, "/slow/600"));
    until("the first is at work", || app.begun() == 1).await;
    let mut second = Visitor::connect(address).await;
    second.send("GET /second HTTP/1.1\r\nHost: a\r\n\r\n").await;
    // Only when the second waits is the queue full: ask until somebody is turned away.
    let turned_away = loop {
        let answer = Visitor::get(address, "/third").await;
        if answer.status == 503 {
            break answer;
        }
        assert_eq!(answer.status, 200);
    };
    assert_eq!(turned_away.header("retry-after"), "2");
    assert_eq!(first.await.expect("first").status, 200);
    assert_eq!(second.answer(false).await.status, 200);
}
