//! Answers that take long: those that go on may, those that stand still are cut.

use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix_web::web::{self, Bytes, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use futures_util::{StreamExt, stream};
use kiuas_common::Period;
use kiuas_common::listener::Stream;
use kiuas_common::shutdown::DrainOutcome;
use kiuas_web::WebSettings;
use kiuas_web::boundary::Endless;
use rustix::net::sockopt::set_socket_linger;
use tokio::io::AsyncReadExt;

use crate::harness::{settings, soon, start_tcp, start_with};

const PARTS: u32 = 8;

fn routes(config: &mut ServiceConfig) {
    config
        .route("/", web::get().to(async || "hello"))
        .route("/parts", web::get().to(parts))
        .route("/stalls", web::get().to(async || silent("text/plain")))
        .route(
            "/events",
            web::get().to(async || silent("text/event-stream")),
        )
        .route("/flood", web::get().to(flood))
        .route("/socket", web::get().to(deaf_socket))
        .route("/held", web::get().to(held));
}

/// One part every 100 ms.
async fn parts() -> HttpResponse {
    let body = stream::unfold(0, |part| async move {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let text = Bytes::from_static(b"part\n");
        (part < PARTS).then_some((Ok::<_, Infallible>(text), part + 1))
    });
    HttpResponse::Ok().streaming(Box::pin(body))
}

/// Says one thing and then nothing more.
fn silent(media_type: &str) -> HttpResponse {
    let first = Ok::<_, Infallible>(Bytes::from_static(b"data: 1\n\n"));
    let body = stream::iter([first]).chain(stream::pending());
    HttpResponse::Ok().content_type(media_type).streaming(body)
}

/// More than a socket and its buffers hold.
async fn flood() -> HttpResponse {
    let part = Bytes::from(vec![b'x'; 64 * 1024]);
    let body = stream::repeat(part).map(Ok::<_, Infallible>);
    HttpResponse::Ok().streaming(body)
}

/// A WebSocket of somebody who has not heard of drains.
async fn deaf_socket(
    request: HttpRequest,
    body: web::Payload,
) -> Result<HttpResponse, actix_web::Error> {
    let (mut response, session, messages) = actix_ws::handle(&request, body)?;
    response.extensions_mut().insert(Endless);
    kiuas_web::converse(&request, async move {
        let _held = (session, messages);
        std::future::pending().await
    });
    Ok(response)
}

static GIVEN_UP: AtomicBool = AtomicBool::new(false);

struct Held;

impl Drop for Held {
    fn drop(&mut self) {
        GIVEN_UP.store(true, Ordering::Release);
    }
}

async fn held() -> HttpResponse {
    let _held = Held;
    std::future::pending().await
}

fn hasty() -> WebSettings {
    WebSettings {
        request_timeout: Period::milliseconds(300),
        send_timeout: Period::milliseconds(500),
        ..settings()
    }
}

#[tokio::test]
async fn a_body_that_goes_on_outlives_the_limit_of_its_handler() {
    let settings = WebSettings {
        send_timeout: Period::seconds(15),
        ..hasty()
    };
    let server = start_with(settings, routes).await;
    let answer = server.get("/parts").await;
    assert_eq!(
        (answer.status, answer.body),
        (200, "part\n".repeat(PARTS as usize))
    );
}

#[tokio::test]
async fn a_body_that_stands_still_is_cut_and_counted() {
    let server = start_with(hasty(), routes).await;
    let mut client = server.connect().await;
    let cut = client.request("GET", "/stalls", &[], "").await;
    let error = cut.expect_err("a body without its end");
    assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof);
    server
        .measures("kiuas_web_stalled_total{side=\"body\"} 1")
        .await;
    server.in_flight(0).await;
    assert_eq!(server.get("/").await.status, 200);
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_cut_and_counted() {
    let server = start_with(hasty(), routes).await;
    let mut client = server.connect().await;
    client.send("GET", "/flood", &[], "").await.expect("sent");
    server
        .measures("kiuas_web_stalled_total{side=\"client\"} 1")
        .await;
    server.in_flight(0).await;
}

#[tokio::test]
async fn an_event_stream_may_be_silent() {
    let server = start_with(hasty(), routes).await;
    let mut client = server.connect().await;
    client.send("GET", "/events", &[], "").await.expect("sent");
    let mut head = [0; 12];
    soon(client.stream.read_exact(&mut head))
        .await
        .expect("head");
    // Another that may not be is cut later.
    drop(
        server
            .connect()
            .await
            .request("GET", "/stalls", &[], "")
            .await,
    );
    server
        .measures("kiuas_web_stalled_total{side=\"body\"} 1")
        .await;
    server.in_flight(1).await;
}

#[tokio::test]
async fn a_websocket_that_hears_of_no_drain_is_cut_after_its_own_time() {
    let settings = WebSettings {
        endless_timeout: Period::milliseconds(400),
        // Longer than the test waits for anything.
        drain_timeout: Period::seconds(120),
        ..settings()
    };
    let server = start_with(settings, routes).await;
    let mut client = server.connect().await;
    let headers = [
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    let answer = client.request("GET", "/socket", &headers, "").await;
    assert_eq!(answer.expect("answer").status, 101);
    assert_eq!(server.stop().await, DrainOutcome::Complete);
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn the_work_of_a_client_that_resets_its_connection_is_given_up() {
    let server = start_tcp(routes).await;
    let mut client = server.connect().await;
    client.send("GET", "/held", &[], "").await.expect("sent");
    server.in_flight(1).await;
    let Stream::Tcp(stream) = client.stream else {
        panic!("no TCP");
    };
    // Closed so, the kernel sends RST.
    set_socket_linger(&stream, Some(Duration::ZERO)).expect("linger");
    drop(stream);
    server.in_flight(0).await;
    assert!(GIVEN_UP.load(Ordering::Acquire));
    assert_eq!(server.get("/").await.status, 200);
}
