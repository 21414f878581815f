//! What reaches an application and what does not: raw requests over a real connection.

pub(crate) mod table;

use crate::harness::{App, Proxy, Visitor};
use table::Must::{self, Pass, Refuse};
use table::table;

/// Sends `bytes` in pieces of `piece` bytes and checks the outcome.
async fn check(app: &App, proxy: &Proxy, name: &str, bytes: &[u8], must: Must, piece: usize) {
    app.take();
    let mut visitor = Visitor::connect(proxy.http).await;
    for part in bytes.chunks(piece) {
        visitor.send(part).await;
        tokio::task::yield_now().await;
    }
    match must {
        Refuse(status) => {
            let answer = visitor.answer(false).await;
            assert_eq!(answer.status, status, "{name}: {}", answer.head);
            assert_eq!(answer.header("connection"), "close", "{name}");
            assert!(visitor.ends().await, "{name}: it goes on after the refusal");
            assert!(app.take().is_empty(), "{name}: it reached the application");
        }
        Pass(count) => {
            for _ in 0..count {
                assert_eq!(visitor.answer(false).await.status, 200, "{name}");
            }
            assert_eq!(app.take().len(), count, "{name}");
        }
    }
}

#[tokio::test]
async fn what_can_be_read_in_two_ways_reaches_no_application() {
    let app = App::start().await;
    let proxy = Proxy::to(&app.target);
    for (name, bytes, must) in table() {
        check(&app, &proxy, name, &bytes, must, bytes.len()).await;
    }
}

#[tokio::test]
async fn the_outcome_does_not_depend_on_how_the_bytes_are_cut() {
    let app = App::start().await;
    let proxy = Proxy::to(&app.target);
    for (name, bytes, must) in table()
        .into_iter()
        .filter(|(_, bytes, _)| bytes.len() < 300)
    {
        for piece in [1, 7] {
            check(&app, &proxy, name, &bytes, must, piece).await;
        }
    }
}

#[tokio::test]
async fn a_refusal_comes_after_the_answers_before_it() {
    let app = App::start().await;
    let proxy = Proxy::to(&app.target);
    let mut visitor = Visitor::connect(proxy.http).await;
    visitor
        .send(
            "GET /slow/50 HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        )
        .await;
    assert_eq!(visitor.answer(false).await.status, 200);
    assert_eq!(visitor.answer(false).await.status, 400);
    assert!(visitor.ends().await);
    assert_eq!(app.only().target, "/slow/50");
}

#[tokio::test]
async fn a_body_cut_off_reaches_the_application_as_broken() {
    let app = App::start().await;
    let route = "upstream = 'app'\nrequest_buffering = false";
    let settings = crate::harness::proxy::app(&app.target).replace("upstream = 'app'", route);
    let proxy = Proxy::start(&settings);
    let mut visitor = Visitor::connect(proxy.http).await;
    visitor
        .send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc")
        .await;
    crate::harness::until("the head has arrived", || app.begun() == 1).await;
    drop(visitor);
    assert_eq!(Visitor::get(proxy.http, "/next").await.status, 200);
    assert_eq!(app.only().target, "/next");
    assert_eq!(app.connections(), 2, "a broken connection was used again");
}
