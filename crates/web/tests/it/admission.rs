//! Requests that are not begun: they came too late, nobody waits for them, or too many run.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use actix_web::HttpResponse;
use actix_web::web::{self, Bytes, ServiceConfig};
use futures_util::stream;
use kiuas_common::Period;
use kiuas_web::WebSettings;
use tokio::io::AsyncWriteExt;
use tokio::sync::Semaphore;

use crate::harness::{Client, Running, settings, soon, start_tcp, start_with};

fn late() -> WebSettings {
    WebSettings {
        queue_timeout: Period::seconds(5),
        ..settings()
    }
}

fn narrow() -> WebSettings {
    WebSettings {
        concurrency: Some(1),
        concurrency_waiters: 1,
        concurrency_wait: Period::seconds(10),
        ..settings()
    }
}

fn hello(config: &mut ServiceConfig) {
    config.route("/", web::get().to(async || "hello"));
}

/// As the proxy says it that has sent a request so long ago.
fn sent(ago: Duration) -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let at = now.expect("clock") - ago;
    format!("t={}.{:03}", at.as_secs(), at.subsec_millis())
}

async fn ask(client: &mut Client, start: &str) -> u16 {
    let headers = [("X-Request-Start", start)];
    let answer = client.request("GET", "/", &headers, "").await;
    let answer = answer.expect("answer");
    if answer.status == 503 {
        assert_eq!(answer.header("retry-after"), Some("1"));
        assert!(answer.header("x-request-id").is_some());
    }
    answer.status
}

fn refused(server: &Running, reason: &str) -> bool {
    let metrics = server.metrics.encode().expect("metrics");
    let line = format!("kiuas_web_refused_total{{reason=\"{reason}\"}} 1\n");
    metrics.contains(&line)
}

#[tokio::test]
async fn a_request_that_waited_too_long_is_a_503_and_the_connection_goes_on() {
    let server = start_with(late(), hello).await;
    let mut client = server.connect().await;
    assert_eq!(ask(&mut client, &sent(Duration::from_secs(1))).await, 200);
    assert_eq!(ask(&mut client, &sent(Duration::from_secs(60))).await, 503);
    assert!(refused(&server, "queue_time"));
    assert_eq!(ask(&mut client, &sent(Duration::ZERO)).await, 200);
}

#[tokio::test]
async fn a_time_that_is_none_or_lies_ahead_refuses_nobody() {
    let server = start_tcp(hello).await;
    let mut client = server.connect().await;
    for start in ["t=0", "t=abc.def", "1.5", "t=99999999999.0", ""] {
        assert_eq!(ask(&mut client, start).await, 200, "{start}");
    }
}

static BEGUN: AtomicUsize = AtomicUsize::new(0);

fn counted(config: &mut ServiceConfig) {
    let handler = async || {
        BEGUN.fetch_add(1, Ordering::Relaxed);
        "begun"
    };
    config.route("/", web::get().to(handler));
}

#[tokio::test]
async fn work_for_a_client_that_is_gone_is_not_begun() {
    let settings = WebSettings {
        connections: 1,
        ..late()
    };
    let server = start_with(settings, counted).await;
    let mut first = server.connect().await;
    assert_eq!(ask(&mut first, &sent(Duration::ZERO)).await, 200);
    // It waits in the kernel's queue, and its client gives up.
    let mut second = server.connect().await;
    let start = sent(Duration::from_secs(2));
    let headers = [("X-Request-Start", start.as_str())];
    second.send("GET", "/", &headers, "").await.expect("sent");
    second.stream.shutdown().await.expect("shutdown");
    drop(first);
    let answer = soon(second.answer()).await.expect("answer");
    assert_eq!(answer.status, 499);
    assert!(refused(&server, "client_gone"));
    assert_eq!(BEGUN.load(Ordering::Relaxed), 1);
}

/// Handlers of a test end when it says so.
macro_rules! gated {
    ($routes:ident, $gate:ident) => {
        static $gate: Semaphore = Semaphore::const_new(0);

        fn $routes(config: &mut ServiceConfig) {
            hello(config);
            let handler = async || {
                $gate.acquire().await.expect("gate").forget();
                "done"
            };
            config.route("/wait", web::get().to(handler));
        }
    };
}

async fn waiting(server: &Running, path: &str) -> Client {
    let mut client = server.connect().await;
    client.send("GET", path, &[], "").await.expect("sent");
    client
}

gated!(in_line, FIRST);

#[tokio::test]
async fn beyond_the_limit_some_wait_and_the_rest_is_a_503_at_once() {
    let server = start_with(narrow(), in_line).await;
    let mut runs = waiting(&server, "/wait").await;
    server.in_flight(1).await;
    let mut waits = waiting(&server, "/").await;
    server.in_flight(2).await;
    let third = server.get("/").await;
    assert_eq!(
        (third.status, third.header("retry-after")),
        (503, Some("1"))
    );
    assert!(refused(&server, "concurrency"));
    FIRST.add_permits(1);
    assert_eq!(runs.answer().await.expect("answer").body, "done");
    assert_eq!(waits.answer().await.expect("answer").body, "hello");
    assert_eq!(server.get("/").await.status, 200);
}

gated!(hurried, SECOND);

#[tokio::test]
async fn the_wait_for_a_place_is_bounded() {
    let settings = WebSettings {
        concurrency_wait: Period::milliseconds(50),
        ..narrow()
    };
    let server = start_with(settings, hurried).await;
    let mut runs = waiting(&server, "/wait").await;
    server.in_flight(1).await;
    assert_eq!(server.get("/").await.status, 503);
    SECOND.add_permits(1);
    assert_eq!(runs.answer().await.expect("answer").status, 200);
}

gated!(left, THIRD);

#[tokio::test]
async fn who_leaves_the_line_gives_way_to_the_next() {
    let server = start_with(narrow(), left).await;
    let mut runs = waiting(&server, "/wait").await;
    server.in_flight(1).await;
    let gone = waiting(&server, "/").await;
    server.in_flight(2).await;
    drop(gone);
    server.in_flight(1).await;
    assert!(refused(&server, "client_gone"));
    let mut waits = waiting(&server, "/").await;
    server.in_flight(2).await;
    THIRD.add_permits(1);
    assert_eq!(runs.answer().await.expect("answer").status, 200);
    assert_eq!(waits.answer().await.expect("answer").status, 200);
}

fn endless(config: &mut ServiceConfig) {
    hello(config);
    let events = async || {
        let first = stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"data: 1\n\n"))]);
        let body = futures_util::StreamExt::chain(first, stream::pending());
        HttpResponse::Ok()
            .content_type("text/event-stream")
            .streaming(body)
    };
    config.route("/events", web::get().to(events));
}

#[tokio::test]
async fn an_event_stream_takes_no_place() {
    let server = start_with(narrow(), endless).await;
    let mut events = waiting(&server, "/events").await;
    let mut head = [0; 12];
    let read = tokio::io::AsyncReadExt::read_exact(&mut events.stream, &mut head);
    soon(read).await.expect("head");
    assert_eq!(&head, b"HTTP/1.1 200");
    assert_eq!(server.get("/").await.status, 200);
}
