//! Answers of applications: good ones in every framing, bad ones that must not reach a visitor, and
//! what becomes of the connection they came over.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::harness::raw::{raw, read_request, says};
use crate::harness::{Proxy, Visitor, proxy, until};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

#[tokio::test]
async fn what_can_be_read_in_two_ways_is_502_and_its_connection_is_not_used_again() {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nok",
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX-A: b\r\n folded\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nX-A: b\0\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nok\r\n0\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
        "220 mail.example ESMTP\r\n\r\n",
    ] {
        let (target, connections) = says(answer).await;
        let proxy = Proxy::to(&target);
        let mut visitor = Visitor::connect(proxy.http).await;
        for round in 1..=2 {
            assert_eq!(visitor.get_again("/").await.status, 502, "{answer:?}");
            assert_eq!(connections.load(Ordering::SeqCst), round, "{answer:?}");
        }
    }
}

#[tokio::test]
async fn rubbish_behind_an_answer_ends_its_connection_and_reaches_nobody() {
    for answer in [
        format!("{OK}HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"),
        "HTTP/1.1 204 No Content\r\nContent-Length: 4\r\n\r\nevil".to_owned(),
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\nevil".to_owned(),
    ] {
        let (target, connections) = says(answer.clone()).await;
        let proxy = Proxy::to(&target);
        let mut visitor = Visitor::connect(proxy.http).await;
        for round in 1..=3 {
            let got = visitor.get_again("/").await;
            assert!(got.status < 300 && !got.text().contains("evil"), "{got:?}");
            assert_eq!(connections.load(Ordering::SeqCst), round, "{answer:?}");
        }
    }
}

#[tokio::test]
async fn what_an_application_says_unasked_is_nobodys_answer() {
    let said = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&said);
    let (target, connections) = raw(move |mut stream, _| {
        let count = Arc::clone(&count);
        async move {
            while read_request(&mut stream).await.is_some() {
                drop(stream.write_all(OK.as_bytes()).await);
                // As one who lost count would.
                tokio::time::sleep(Duration::from_millis(30)).await;
                let unasked = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil";
                drop(stream.write_all(unasked.as_bytes()).await);
                count.fetch_add(1, Ordering::SeqCst);
            }
        }
    })
    .await;
    let proxy = Proxy::to(&target);
    for round in 1..=3 {
        let answer = Visitor::get(proxy.http, "/").await;
        assert_eq!(answer.text(), "ok");
        assert_eq!(connections.load(Ordering::SeqCst), round);
        until("it has said more", || said.load(Ordering::SeqCst) >= round).await;
    }
}

#[tokio::test]
async fn answers_pass_in_every_framing_and_in_any_pieces() {
    let chunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;x=y\r\n world\r\n0\r\n\r\n";
    let length = "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nhello world";
    for text in [chunks, length] {
        let (target, connections) = raw(move |mut stream, _| async move {
            let mut size = 0;
            while read_request(&mut stream).await.is_some() {
                size += 7;
                for piece in text.as_bytes().chunks(size) {
                    drop(stream.write_all(piece).await);
                    drop(stream.flush().await);
                    tokio::task::yield_now().await;
                }
            }
        })
        .await;
        let proxy = Proxy::to(&target);
        for _ in 0..8 {
            let answer = Visitor::get(proxy.http, "/").await;
            let text = answer.text();
            assert!(text.contains("hello") && text.contains("world"), "{text}");
        }
        assert_eq!(connections.load(Ordering::SeqCst), 1);
    }
}

#[tokio::test]
async fn an_answer_that_ends_with_its_connection_is_whole() {
    let (target, connections) = raw(|mut stream, _| async move {
        if read_request(&mut stream).await.is_some() {
            let answer = format!("HTTP/1.0 200 OK\r\n\r\n{}", "x".repeat(100_000));
            drop(stream.write_all(answer.as_bytes()).await);
        }
    })
    .await;
    let proxy = Proxy::to(&target);
    for round in 1..=2 {
        let answer = Visitor::get(proxy.http, "/").await;
        let body = answer.text();
        assert_eq!(body.matches('x').count(), 100_000);
        assert_eq!(connections.load(Ordering::SeqCst), round);
    }
}

#[tokio::test]
async fn heads_without_a_body_keep_their_length_and_their_connection() {
    let (target, connections) = raw(|mut stream, _| async move {
        while let Some(request) = read_request(&mut stream).await {
            let answer = if request.starts_with("HEAD") {
                "HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n"
            } else {
                "HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n\r\n"
            };
            drop(stream.write_all(answer.as_bytes()).await);
        }
    })
    .await;
    let proxy = Proxy::to(&target);
    let head = Visitor::ask(proxy.http, "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!((head.status, head.header("content-length")), (200, "1234"));
    let get = Visitor::get(proxy.http, "/").await;
    assert_eq!((get.status, get.header("etag")), (304, "\"a\""));
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn interim_answers_are_taken_and_the_final_one_is_passed_on() {
    let answer = format!(
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n{OK}"
    );
    let (target, _) = says(answer).await;
    let proxy = Proxy::to(&target);
    let mut visitor = Visitor::connect(proxy.http).await;
    for _ in 0..3 {
        let answer = visitor.get_again("/").await;
        assert_eq!((answer.status, answer.text().as_str()), (200, "ok"));
    }
}

/// An application that says hints at once and its answer when it is told to.
async fn hinting() -> (String, Arc<tokio::sync::Notify>) {
    let made = Arc::new(tokio::sync::Notify::new());
    let make = Arc::clone(&made);
    let (target, _) = raw(move |mut stream, _| {
        let make = Arc::clone(&make);
        async move {
            while read_request(&mut stream).await.is_some() {
                let hints = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n";
                drop(stream.write_all(hints.as_bytes()).await);
                make.notified().await;
                drop(stream.write_all(OK.as_bytes()).await);
            }
        }
    })
    .await;
    (target, made)
}

#[tokio::test]
async fn early_hints_arrive_before_the_answer_is_made_whoever_reads_the_request() {
    let (target, made) = hinting().await;
    let proxy = Proxy::to(&target);
    for head in [
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        // The fast lane takes no such thing.
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
    ] {
        let mut visitor = Visitor::connect(proxy.http).await;
        for _ in 0..3 {
            visitor.send(head).await;
            let expected = b"HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\n\r\n";
            let mut hints = vec![0; expected.len()];
            let read = visitor.stream.read_exact(&mut hints);
            tokio::time::timeout(crate::harness::PATIENCE, read)
                .await
                .expect("hints in time")
                .expect("hints");
            assert_eq!(hints, expected);
            made.notify_one();
            assert_eq!(visitor.answer(false).await.text(), "ok");
        }
    }
}

#[tokio::test]
async fn a_visitor_of_http_1_0_gets_the_answer_alone() {
    let (target, made) = hinting().await;
    made.notify_one();
    let proxy = Proxy::to(&target);
    let answer = Visitor::ask(proxy.http, "GET / HTTP/1.0\r\nHost: a\r\n\r\n").await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "ok"));
}

#[tokio::test]
async fn a_head_that_is_too_large_is_502_and_one_with_many_cookies_passes() {
    for (size, status) in [(60_000, 200), (80_000, 502)] {
        let cookies = format!("Set-Cookie: {}\r\n", "c".repeat(990)).repeat(size / 1000);
        let answer = format!("HTTP/1.1 200 OK\r\n{cookies}Content-Length: 2\r\n\r\nok");
        let (target, _) = says(answer).await;
        let proxy = Proxy::to(&target);
        assert_eq!(Visitor::get(proxy.http, "/").await.status, status);
    }
}

#[tokio::test]
async fn an_application_that_closes_says_so_once() {
    let (target, connections) = raw(|mut stream, _| async move {
        if read_request(&mut stream).await.is_some() {
            let answer = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok";
            drop(stream.write_all(answer.as_bytes()).await);
            // It does not close after all; nobody asks it again.
            drop(read_request(&mut stream).await);
        }
    })
    .await;
    let proxy = Proxy::to(&target);
    let mut visitor = Visitor::connect(proxy.http).await;
    for round in 1..=3 {
        let answer = visitor.get_again("/").await;
        assert_eq!(answer.text(), "ok");
        assert!(!answer.has("connection"), "the visitor's stays open");
        assert_eq!(connections.load(Ordering::SeqCst), round);
    }
}

#[tokio::test]
async fn an_answer_that_comes_before_the_end_of_the_request_is_passed_on() {
    let (target, connections) = raw(|mut stream, _| async move {
        if read_request(&mut stream).await.is_some() {
            let answer = "HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nno!";
            drop(stream.write_all(answer.as_bytes()).await);
            // Never reads the body.
            tokio::time::sleep(crate::harness::PATIENCE).await;
        }
    })
    .await;
    let settings = proxy::app(&target).replace(
        "upstream = 'app'",
        "upstream = 'app'\nrequest_buffering = false",
    );
    let proxy = Proxy::start(&settings);
    let mut visitor = Visitor::connect(proxy.http).await;
    visitor
        .send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nbeginning")
        .await;
    let answer = visitor.answer(false).await;
    assert_eq!((answer.status, answer.text().as_str()), (413, "no!"));
    assert_eq!(Visitor::get(proxy.http, "/").await.status, 413);
    assert_eq!(connections.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn an_application_that_answers_and_hangs_up_in_mid_request_is_heard() {
    let (target, _) = raw(|mut stream, _| async move {
        let mut piece = [0; 1000];
        drop(stream.read(&mut piece).await);
        let answer = "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno";
        drop(stream.write_all(answer.as_bytes()).await);
    })
    .await;
    let proxy = Proxy::to(&target);
    let body = "b".repeat(500);
    let request = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 500\r\n\r\n{body}");
    let answer = Visitor::ask(proxy.http, &request).await;
    assert_eq!((answer.status, answer.text().as_str()), (403, "no"));
}

#[tokio::test]
async fn a_body_that_pauses_for_too_long_is_broken_off() {
    let (target, _) = raw(|mut stream, _| async move {
        if read_request(&mut stream).await.is_some() {
            let answer = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf";
            drop(stream.write_all(answer.as_bytes()).await);
            tokio::time::sleep(crate::harness::PATIENCE).await;
        }
    })
    .await;
    let settings = format!("{}response_timeout = '200ms'\n", proxy::app(&target));
    let proxy = Proxy::start(&settings);
    let mut visitor = Visitor::connect(proxy.http).await;
    visitor.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let mut all = String::new();
    drop(visitor.stream.read_to_string(&mut all).await);
    assert!(all.ends_with("half"), "{all}");
}

#[tokio::test]
async fn fields_about_buffering_and_connections_stay_here() {
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Accel-Buffering: no\r\n\
        Connection: x-mine\r\nX-Mine: 1\r\nX-Theirs: 1\r\n\r\nok";
    let (target, _) = says(answer).await;
    let proxy = Proxy::to(&target);
    let answer = Visitor::get(proxy.http, "/").await;
    assert!(answer.has("x-theirs"));
    assert!(!answer.has("x-mine") && !answer.has("x-accel-buffering"));
}
