//! The routes that are measured: the same in our child and in bare actix-web.

use std::convert::Infallible;
use std::time::Duration;

use actix_web::web::{self, Bytes, ServiceConfig};
use actix_web::{HttpResponse, Responder};
use futures_util::stream;

/// How long the handler of `/work` holds its thread.
const WORK: Duration = Duration::from_millis(5);
/// Chunks of `/stream`, and the pause before each.
const CHUNKS: u32 = 20;
const PAUSE: Duration = Duration::from_millis(20);

/// Adds them all.
pub(crate) fn routes(config: &mut ServiceConfig) {
    config
        .route("/", web::get().to(hello))
        .route("/pid", web::get().to(pid))
        .route("/echo", web::post().to(echo))
        .route("/work", web::get().to(work))
        .route("/stream", web::get().to(chunks))
        .route("/loop", web::get().to(endless_loop));
}

/// The trivial handler.
async fn hello() -> impl Responder {
    "Hello, World!"
}

/// Which process answers.
async fn pid() -> impl Responder {
    std::process::id().to_string()
}

async fn echo(body: Bytes) -> impl Responder {
    body
}

/// Work that blocks its thread, as the peers' synchronous handlers do.
async fn work() -> impl Responder {
    std::thread::sleep(WORK);
    "done"
}

async fn chunks() -> HttpResponse {
    let chunks = stream::unfold(0, |sent| async move {
        if sent == CHUNKS {
            return None;
        }
        tokio::time::sleep(PAUSE).await;
        Some((
            Ok::<_, Infallible>(Bytes::from_static(b"chunk\n")),
            sent + 1,
        ))
    });
    HttpResponse::Ok().streaming(chunks)
}

/// Never gives its thread back.
async fn endless_loop() -> HttpResponse {
    let mut turns: u64 = 0;
    loop {
        turns = std::hint::black_box(turns.wrapping_add(1));
        if turns == u64::MAX {
            return HttpResponse::Ok().finish();
        }
    }
}

/// An application that needs a while to start: `MEASURED_START` milliseconds.
pub(crate) fn start_slowly() {
    let milliseconds = std::env::var("MEASURED_START")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(0);
    std::thread::sleep(Duration::from_millis(milliseconds));
}
