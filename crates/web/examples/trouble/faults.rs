//! The routes: one for each way to misbehave, and some that behave.

use std::convert::Infallible;
use std::time::Duration;

use actix_web::web::{self, Bytes, Query, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use actix_ws::{AggregatedMessage, CloseCode};
use futures_util::{StreamExt, stream};
use kiuas_common::Shutdown;
use kiuas_web::boundary::Endless;
use parking_lot::Mutex;
use serde::Deserialize;

/// What a route may be told in its query.
#[derive(Debug, Deserialize)]
#[serde(default)]
struct Options {
    /// How long, in milliseconds.
    ms: u64,
    /// How much memory.
    mb: usize,
    /// How many parts of a stream.
    parts: u64,
    /// Exit status.
    code: i32,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            ms: 1000,
            mb: 100,
            parts: 10,
            code: 1,
        }
    }
}

impl Options {
    fn time(&self) -> Duration {
        Duration::from_millis(self.ms)
    }
}

/// Adds all of them.
pub(crate) fn routes(config: &mut ServiceConfig) {
    config
        .route("/hello", web::get().to(async || "Hello, world!"))
        .route(
            "/pid",
            web::get().to(async || std::process::id().to_string()),
        )
        .route("/echo", web::post().to(async |body: Bytes| body))
        .route("/sleep", web::get().to(sleep))
        .route("/block", web::get().to(block))
        .route("/spin", web::get().to(spin))
        .route("/deadlock", web::get().to(deadlock))
        .route("/pending", web::get().to(pending))
        .route("/ignore", web::get().to(ignore))
        .route("/leak", web::get().to(leak))
        .route("/panic", web::get().to(panic))
        .route("/abort", web::get().to(abort))
        .route("/exit", web::get().to(exit))
        .route("/stream", web::get().to(parts))
        .route("/events", web::get().to(events))
        .route("/ws", web::get().to(websocket));
}

/// Waits as it should.
async fn sleep(options: Query<Options>) -> &'static str {
    tokio::time::sleep(options.time()).await;
    "slept"
}

/// Holds its thread, and comes back.
async fn block(options: Query<Options>) -> &'static str {
    std::thread::sleep(options.time());
    "blocked"
}

/// Holds its thread for ever, busy.
async fn spin() -> &'static str {
    spin_for_ever()
}

fn spin_for_ever() -> ! {
    loop {
        std::hint::spin_loop();
    }
}

/// Holds its thread for ever, idle.
async fn deadlock() -> &'static str {
    let lock = Mutex::new(());
    let _held = lock.lock();
    let _never = lock.lock();
    "impossible"
}

/// Never ready, but harmless to others.
async fn pending() -> &'static str {
    std::future::pending().await
}

/// Goes on after the request was given up: nobody can stop a thread from outside.
async fn ignore(options: Query<Options>) -> &'static str {
    let time = options.time();
    drop(tokio::task::spawn_blocking(move || std::thread::sleep(time)).await);
    "ignored"
}

/// Takes memory and never gives it back.
async fn leak(options: Query<Options>) -> String {
    let memory = vec![1_u8; options.mb << 20];
    format!("leaked {} bytes", Vec::leak(memory).len())
}

async fn panic() -> HttpResponse {
    panic!("as asked")
}

async fn abort() -> HttpResponse {
    std::process::abort()
}

async fn exit(options: Query<Options>) -> HttpResponse {
    std::process::exit(options.code)
}

/// A part every so many milliseconds.
async fn parts(options: Query<Options>) -> HttpResponse {
    let (parts, pause) = (options.parts, options.time() / 10);
    let body = stream::unfold(0, move |part| async move {
        tokio::time::sleep(pause).await;
        let text = Bytes::from(format!("part {part}\n"));
        (part < parts).then_some((Ok::<_, Infallible>(text), part + 1))
    });
    HttpResponse::Ok().streaming(Box::pin(body))
}

/// Events without an end, until the process drains.
async fn events(request: HttpRequest) -> HttpResponse {
    let shutdown = request.app_data::<Shutdown>().cloned().unwrap_or_default();
    let body = stream::unfold(0_u64, move |count| {
        let shutdown = shutdown.clone();
        async move {
            tokio::select! {
                () = shutdown.draining() => return None,
                () = tokio::time::sleep(Duration::from_millis(100)) => {}
            }
            let text = Bytes::from(format!("data: {count}\n\n"));
            Some((Ok::<_, Infallible>(text), count + 1))
        }
    });
    HttpResponse::Ok()
        .content_type("text/event-stream")
        .streaming(Box::pin(body))
}

/// Echoes text, and says goodbye with 1001 when the process drains. The text `spin` holds its thread for
/// ever.
async fn websocket(
    request: HttpRequest,
    body: web::Payload,
) -> Result<HttpResponse, actix_web::Error> {
    let shutdown = request.app_data::<Shutdown>().cloned().unwrap_or_default();
    let (mut response, mut session, messages) = actix_ws::handle(&request, body)?;
    response.extensions_mut().insert(Endless);
    let mut messages = messages.aggregate_continuations();
    let conversation = async move {
        loop {
            let message = tokio::select! {
                message = messages.next() => message,
                () = shutdown.draining() => break,
            };
            let sent = match message {
                Some(Ok(AggregatedMessage::Text(text))) if text == "spin" => spin_for_ever(),
                Some(Ok(AggregatedMessage::Text(text))) => session.text(text).await,
                Some(Ok(AggregatedMessage::Ping(bytes))) => session.pong(&bytes).await,
                Some(Ok(AggregatedMessage::Pong(_))) => Ok(()),
                _ => break,
            };
            if sent.is_err() {
                break;
            }
        }
        drop(session.close(Some(CloseCode::Away.into())).await);
    };
    kiuas_web::converse(&request, conversation);
    Ok(response)
}
