//! Bounds: time, size, and half-sent requests.

use std::time::{Duration, Instant};

use actix_web::web::{self, Bytes, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use kiuas_common::{Bytes as Size, Period};
use kiuas_web::csrf::Exempt;
use kiuas_web::{WebSettings, deadline, extend_deadline};
use tokio::io::AsyncWriteExt;

use crate::harness::{settings, start_with};

fn routes(config: &mut ServiceConfig) {
    config
        .app_data(Exempt {
            prefixes: vec!["/length".to_owned()],
        })
        .route("/", web::get().to(async || "hello"))
        .route("/never", web::get().to(never))
        .route("/extended", web::get().to(extended))
        .service(
            web::resource("/patient")
                .wrap(deadline(Duration::from_secs(20)))
                .get(beyond),
        )
        .service(
            web::resource("/hasty")
                .wrap(deadline(Duration::from_millis(20)))
                .get(never),
        )
        .route("/length", web::post().to(length));
}

async fn never() -> HttpResponse {
    std::future::pending().await
}

/// Takes longer than the limit of [`strict`].
async fn beyond() -> &'static str {
    tokio::time::sleep(Duration::from_millis(400)).await;
    "done"
}

async fn extended(request: HttpRequest) -> &'static str {
    extend_deadline(&request, Duration::from_secs(20));
    beyond().await
}

async fn length(body: Bytes) -> String {
    body.len().to_string()
}

fn strict() -> WebSettings {
    WebSettings {
        request_timeout: Period::milliseconds(200),
        head_timeout: Period::milliseconds(200),
        body_limit: Size(1000),
        ..settings()
    }
}

#[tokio::test]
async fn a_handler_that_takes_too_long_is_a_504_and_its_neighbours_notice_nothing() {
    let server = start_with(strict(), routes).await;
    let mut slow = server.connect().await;
    slow.send("GET", "/never", &[], "").await.expect("sent");
    let mut quick = server.connect().await;
    for _ in 0..50 {
        let begin = Instant::now();
        assert_eq!(quick.get("/").await.body, "hello");
        assert!(begin.elapsed() < Duration::from_millis(150));
    }
    let answer = slow.answer().await.expect("answer");
    assert_eq!(answer.status, 504);
    assert!(answer.header("x-request-id").is_some());
    assert_eq!(slow.get("/").await.body, "hello");
    let metrics = server.metrics.encode().expect("metrics");
    assert!(metrics.contains("kiuas_web_timeouts_total 1"), "{metrics}");
}

#[tokio::test]
async fn a_route_may_have_more_or_less_time_and_a_handler_may_take_more() {
    let server = start_with(strict(), routes).await;
    let mut client = server.connect().await;
    for path in ["/patient", "/extended"] {
        let answer = client.get(path).await;
        assert_eq!(
            (answer.status, answer.body.as_str()),
            (200, "done"),
            "{path}"
        );
    }
    assert_eq!(client.get("/hasty").await.status, 504);
    // The next request on the connection has the usual time again.
    assert_eq!(client.get("/never").await.status, 504);
    assert_eq!(client.get("/").await.status, 200);
}

#[tokio::test]
async fn a_body_up_to_the_limit_arrives_and_a_larger_one_is_a_413() {
    let server = start_with(strict(), routes).await;
    let mut client = server.connect().await;
    let answer = client
        .request("POST", "/length", &[], &"x".repeat(1000))
        .await
        .expect("answer");
    assert_eq!((answer.status, answer.body.as_str()), (200, "1000"));
    let answer = client
        .request("POST", "/length", &[], &"x".repeat(1001))
        .await
        .expect("answer");
    assert_eq!(answer.status, 413);
}

#[tokio::test]
async fn a_body_of_unknown_length_is_cut_at_the_limit() {
    let server = start_with(strict(), routes).await;
    let mut client = server.connect().await;
    let chunked = [("Transfer-Encoding", "chunked")];
    client
        .send("POST", "/length", &chunked, "")
        .await
        .expect("sent");
    let chunk = format!("{:x}\r\n{}\r\n", 600, "x".repeat(600));
    let body = format!("{chunk}{chunk}0\r\n\r\n");
    client
        .stream
        .write_all(body.as_bytes())
        .await
        .expect("sent");
    assert_eq!(client.answer().await.expect("answer").status, 413);
}

#[tokio::test]
async fn half_a_head_ends_the_connection_also_after_a_first_request() {
    let server = start_with(strict(), routes).await;
    let mut client = server.connect().await;
    assert_eq!(client.get("/").await.status, 200);
    client
        .stream
        .write_all(b"GET / HTTP/1.1\r\nHo")
        .await
        .expect("sent");
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn an_idle_connection_outlives_the_head_timeout() {
    let server = start_with(strict(), routes).await;
    let mut client = server.connect().await;
    assert_eq!(client.get("/").await.status, 200);
    tokio::time::sleep(strict().head_timeout.duration() * 2).await;
    assert_eq!(client.get("/").await.status, 200);
}

#[tokio::test]
async fn connections_beyond_the_bound_wait_for_a_place() {
    let settings = WebSettings {
        connections: 1,
        ..strict()
    };
    let server = start_with(settings, routes).await;
    let mut first = server.connect().await;
    assert_eq!(first.get("/").await.status, 200);
    let mut second = server.connect().await;
    second.send("GET", "/", &[], "").await.expect("sent");
    let early = tokio::time::timeout(Duration::from_millis(100), second.answer()).await;
    assert!(early.is_err(), "answered while the only place was taken");
    drop(first);
    assert_eq!(second.answer().await.expect("answer").status, 200);
}
