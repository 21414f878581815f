//! The end of a process: no request is lost.

use std::cell::Cell;
use std::io;
use std::time::{Duration, Instant};

use actix_web::HttpResponse;
use actix_web::web::{self, Bytes, ServiceConfig};
use futures_util::future::join_all;
use futures_util::stream;
use kiuas_common::Period;
use kiuas_common::listener::Stream;
use kiuas_common::shutdown::DrainOutcome;
use kiuas_web::WebSettings;

use crate::harness::{Client, Running, settings, soon, start, start_tcp, start_with};

fn routes(config: &mut ServiceConfig) {
    config
        .route("/", web::get().to(async || "hello"))
        .route("/slow", web::get().to(slow))
        .route("/stream", web::get().to(streamed))
        .route("/block", web::get().to(block))
        .route("/never", web::get().to(never));
}

async fn slow() -> &'static str {
    tokio::time::sleep(Duration::from_millis(200)).await;
    "slow"
}

async fn streamed() -> HttpResponse {
    let parts = stream::unfold(0, |part| async move {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let text = Bytes::from(format!("{part} "));
        (part < 6).then_some((Ok::<_, io::Error>(text), part + 1))
    });
    HttpResponse::Ok().streaming(Box::pin(parts))
}

/// Holds the whole thread, as no handler should.
async fn block() -> &'static str {
    std::thread::sleep(Duration::from_millis(300));
    "blocked"
}

async fn never() -> HttpResponse {
    std::future::pending().await
}

/// How a client that never retries fared.
#[derive(Debug, Default)]
struct Tally {
    answered: usize,
    lost: Vec<String>,
}

/// Sends request after request over one connection, as the proxy does, until it is told to close; then
/// connects anew, until nobody listens.
async fn keep_asking(server: &Running, total: &Cell<usize>) -> Tally {
    let mut tally = Tally::default();
    while let Ok(stream) = Stream::connect(&server.address).await {
        let mut client = Client::new(stream);
        loop {
            let answer = client.request("GET", "/", &[], "").await;
            match answer {
                Ok(answer) => {
                    tally.answered += 1;
                    total.set(total.get() + 1);
                    if answer.header("connection") == Some("close") {
                        break;
                    }
                }
                Err(error) => {
                    tally.lost.push(error.to_string());
                    break;
                }
            }
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
        if server.shutdown.is_draining() {
            break;
        }
    }
    tally
}

#[tokio::test]
async fn keep_alive_clients_lose_nothing_in_a_drain() {
    for server in [start(routes).await, start_tcp(routes).await] {
        let total = Cell::new(0);
        let clients = join_all((0..16).map(|_| keep_asking(&server, &total)));
        let stop = async {
            soon(async {
                while total.get() < 200 {
                    tokio::task::yield_now().await;
                }
            })
            .await;
            server.shutdown.begin();
        };
        let (tallies, ()) = tokio::join!(clients, stop);
        for tally in &tallies {
            assert!(tally.lost.is_empty(), "{tallies:?}");
            assert!(tally.answered > 0, "{tallies:?}");
        }
        assert_eq!(server.stop().await, DrainOutcome::Complete);
    }
}

#[tokio::test]
async fn an_idle_connection_is_answered_within_its_grace_and_told_to_close() {
    let server = start(routes).await;
    let mut client = server.connect().await;
    assert_eq!(client.get("/").await.header("connection"), None);
    server.shutdown.begin();
    tokio::time::sleep(settings().idle_grace.duration() / 2).await;
    let answer = client.get("/").await;
    assert_eq!(
        (answer.status, answer.header("connection")),
        (200, Some("close"))
    );
    assert!(client.is_closed().await);
    assert_eq!(server.stop().await, DrainOutcome::Complete);
}

#[tokio::test]
async fn what_runs_is_finished_to_the_last_byte_of_its_body() {
    let server = start(routes).await;
    let (mut slow, mut streamed) = (server.connect().await, server.connect().await);
    slow.send("GET", "/slow", &[], "").await.expect("sent");
    streamed
        .send("GET", "/stream", &[], "")
        .await
        .expect("sent");
    server.in_flight(2).await;
    server.shutdown.begin();
    assert_eq!(slow.answer().await.expect("answer").body, "slow");
    let answer = streamed.answer().await.expect("answer");
    assert_eq!(answer.body, "0 1 2 3 4 5 ");
    assert_eq!(server.stop().await, DrainOutcome::Complete);
}

#[tokio::test]
async fn connections_in_the_kernels_queue_are_answered() {
    let server = start(routes).await;
    let mut blocking = server.connect().await;
    blocking.send("GET", "/block", &[], "").await.expect("sent");
    server.in_flight(1).await;
    // The only thread is busy: these wait in the queue, and the drain begins before it looks.
    let mut queued = Vec::new();
    for _ in 0..8 {
        let mut client = server.connect().await;
        client.send("GET", "/", &[], "").await.expect("sent");
        queued.push(client);
    }
    server.shutdown.begin();
    assert_eq!(blocking.answer().await.expect("answer").body, "blocked");
    for mut client in queued {
        assert_eq!(client.answer().await.expect("answer").body, "hello");
    }
    assert_eq!(server.stop().await, DrainOutcome::Complete);
}

#[tokio::test]
async fn nobody_listens_and_nothing_is_ready_after_the_drain_began() {
    let server = start(routes).await;
    assert!(server.health.readiness().await.is_ok());
    let (address, health) = (server.address.clone(), server.health.clone());
    server.stop().await;
    assert!(Stream::connect(&address).await.is_err());
    assert!(health.readiness().await.is_err());
}

#[tokio::test]
async fn the_deadline_cuts_what_does_not_end() {
    let settings = WebSettings {
        drain_timeout: Period::milliseconds(300),
        ..settings()
    };
    let server = start_with(settings, routes).await;
    let mut client = server.connect().await;
    client.send("GET", "/never", &[], "").await.expect("sent");
    server.in_flight(1).await;
    let begin = Instant::now();
    assert_eq!(server.stop().await, DrainOutcome::Cut { remaining: 1 });
    assert!(begin.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn several_threads_drain_together() {
    let settings = WebSettings {
        threads: 3,
        ..settings()
    };
    let server = start_with(settings, routes).await;
    let mut clients = Vec::new();
    for _ in 0..12 {
        let mut client = server.connect().await;
        client.send("GET", "/slow", &[], "").await.expect("sent");
        clients.push(client);
    }
    server.shutdown.begin();
    for mut client in clients {
        assert_eq!(client.answer().await.expect("answer").body, "slow");
    }
    assert_eq!(server.stop().await, DrainOutcome::Complete);
}

async fn block_for_ever() -> HttpResponse {
    loop {
        std::thread::sleep(Duration::from_secs(60));
    }
}

#[tokio::test]
async fn a_thread_that_is_stuck_for_ever_does_not_keep_the_process() {
    let settings = WebSettings {
        drain_timeout: Period::milliseconds(100),
        ..settings()
    };
    let server = start_with(settings, |config| {
        config.route("/", web::get().to(block_for_ever));
    })
    .await;
    let mut client = server.connect().await;
    client.send("GET", "/", &[], "").await.expect("sent");
    server.in_flight(1).await;
    assert_eq!(server.stop().await, DrainOutcome::Cut { remaining: 1 });
}
