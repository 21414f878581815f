//! Visitors who send too much, too slowly, or do not read.

use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt;

use crate::harness::{App, Proxy, Visitor, until};

#[tokio::test]
async fn a_head_that_drips_is_cut_off() {
    let app = App::start().await;
    let proxy = Proxy::with_limits(&app.target, "head_timeout = '300ms'");
    let mut visitor = Visitor::connect(proxy.http).await;
    let begun = Instant::now();
    let drip = async {
        visitor.send("GET / HTTP/1.1\r\nHost: a\r\n").await;
        loop {
            visitor.send("X: 1\r\n").await;
            let mut byte = [0];
            let pause = Duration::from_millis(20);
            if let Ok(read) = tokio::time::timeout(pause, visitor.stream.read(&mut byte)).await {
                break read.map(|_| byte[0]);
            }
        }
    };
    let first = tokio::time::timeout(crate::harness::PATIENCE, drip)
        .await
        .expect("an end");
    assert_eq!(
        first.expect("an answer"),
        b'H',
        "408 is written before the end"
    );
    let mut rest = String::new();
    drop(visitor.stream.read_to_string(&mut rest).await);
    assert!(rest.starts_with("TTP/1.1 408"), "{rest}");
    assert!(begun.elapsed() >= Duration::from_millis(300));
    assert!(app.take().is_empty());
}

#[tokio::test]
async fn a_connection_without_a_request_is_closed() {
    let app = App::start().await;
    let proxy = Proxy::with_limits(&app.target, "head_timeout = '200ms'\nkeep_alive = '200ms'");
    assert!(Visitor::connect(proxy.http).await.ends().await);
    let mut visitor = Visitor::connect(proxy.http).await;
    assert_eq!(visitor.get_again("/").await.status, 200);
    assert!(visitor.ends().await, "an idle connection is closed");
}

#[tokio::test]
async fn a_request_at_work_does_not_count_as_idle() {
    let app = App::start().await;
    let proxy = Proxy::with_limits(&app.target, "head_timeout = '100ms'\nkeep_alive = '100ms'");
    assert_eq!(Visitor::get(proxy.http, "/slow/800").await.status, 200);
}

#[tokio::test]
async fn a_body_that_pauses_is_408() {
    let app = App::start().await;
    let proxy = Proxy::with_limits(&app.target, "body_timeout = '200ms'");
    let mut visitor = Visitor::connect(proxy.http).await;
    visitor
        .send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc")
        .await;
    assert_eq!(visitor.answer(false).await.status, 408);
    assert!(visitor.ends().await);
    assert!(app.take().is_empty());
}

#[tokio::test]
async fn a_body_that_is_too_large_is_413_announced_or_not() {
    let app = App::start().await;
    let proxy = Proxy::with_limits(&app.target, "body = '64KiB'");
    let announced = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 65537\r\n\r\n";
    assert_eq!(Visitor::ask(proxy.http, announced).await.status, 413);
    let mut visitor = Visitor::connect(proxy.http).await;
    visitor
        .send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        .await;
    for _ in 0..400 {
        visitor
            .send(format!("400\r\n{}\r\n", "x".repeat(1024)))
            .await;
    }
    assert_eq!(visitor.answer(false).await.status, 413);
    assert!(app.take().is_empty());
    let fits = format!(
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 65536\r\n\r\n{}",
        "x".repeat(65536)
    );
    assert_eq!(Visitor::ask(proxy.http, &fits).await.status, 200);
}

#[tokio::test]
async fn a_visitor_who_does_not_read_is_cut_off() {
    let app = App::start().await;
    let settings = format!(
        "admin = '127.0.0.1:0'\n[proxy.limits]\nwrite_timeout = '300ms'\n{}",
        crate::harness::proxy::app(&app.target)
    );
    let proxy = Proxy::start(&settings);
    let mut visitors = Vec::new();
    for _ in 0..4 {
        let mut visitor = Visitor::connect(proxy.http).await;
        // More answers than all buffers between us can hold.
        visitor
            .send("GET /large HTTP/1.1\r\nHost: a\r\n\r\n".repeat(8))
            .await;
        visitors.push(visitor);
    }
    until("they are at work", || app.begun() >= 4).await;
    let open = "kiuas_proxy_connections{scheme=\"http\"} 0";
    let admin = proxy.admin.expect("admin");
    let closed = async {
        while !Visitor::get(admin, "/metrics").await.text().contains(open) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(crate::harness::PATIENCE, closed)
        .await
        .expect("the connections are cut");
}

#[tokio::test]
async fn heads_may_be_bounded_lower_than_they_always_are() {
    let app = App::start().await;
    let proxy = Proxy::with_limits(&app.target, "head = '1KiB'\nfields = 6\nline = '100B'");
    let ask = |target: String, fields: String| {
        let request = format!("GET {target} HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
        let to = proxy.http;
        async move { Visitor::ask(to, &request).await.status }
    };
    let none = String::new;
    assert_eq!(ask("/fits".to_owned(), "X: 1\r\n".repeat(5)).await, 200);
    assert_eq!(ask(format!("/{}", "x".repeat(100)), none()).await, 414);
    assert_eq!(ask("/".to_owned(), "X: 1\r\n".repeat(6)).await, 431);
    let large = format!("X: {}\r\n", "x".repeat(1000));
    assert_eq!(ask("/".to_owned(), large).await, 431);
    assert_eq!(app.take().len(), 1);
}

#[tokio::test]
async fn a_whole_request_may_have_a_limit() {
    let app = App::start().await;
    let proxy = Proxy::with_limits(&app.target, "request_timeout = '300ms'");
    assert_eq!(Visitor::get(proxy.http, "/slow/5000").await.status, 504);
    assert_eq!(Visitor::get(proxy.http, "/").await.status, 200);
}
