//! The request that a thread must answer before it gets work: through the same HTTP service, middleware
//! and router as any other, over a socket pair.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse};
use kiuas_common::listener::Stream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::ServerError;
use crate::boundary::Peer;

/// Answered for the probe alone; strangers get a 404.
pub(super) const PATH: &str = "/.kiuas/probe";

const REQUEST: &[u8] = b"GET /.kiuas/probe HTTP/1.1\r\nHost: probe\r\nConnection: close\r\n\r\n";
const EXPECTED: &[u8] = b"HTTP/1.1 204 ";
const DEADLINE: Duration = Duration::from_secs(10);
const LONGEST: usize = 16 * 1024;

/// The handler.
pub(super) async fn answer(request: HttpRequest) -> HttpResponse {
    let is_ours = request.conn_data::<Peer>().is_some_and(|peer| peer.probe);
    HttpResponse::new(if is_ours {
        StatusCode::NO_CONTENT
    } else {
        StatusCode::NOT_FOUND
    })
}

/// Hands one end of a socket pair to `serve` and asks through the other.
pub(super) async fn probe(serve: impl FnOnce(Stream)) -> Result<(), ServerError> {
    let (ours, theirs) = UnixStream::pair().map_err(ServerError::Thread)?;
    serve(Stream::Unix(theirs));
    let answer = tokio::time::timeout(DEADLINE, ask(ours))
        .await
        .map_err(|_| ServerError::Probe {
            answer: format!("none within {} s", DEADLINE.as_secs()),
        })?
        .map_err(ServerError::Thread)?;
    if answer.starts_with(EXPECTED) {
        return Ok(());
    }
    let line = answer.split(|byte| *byte == b'\r').next().unwrap_or(&[]);
    Err(ServerError::Probe {
        answer: String::from_utf8_lossy(line).into_owned(),
    })
}

async fn ask(mut stream: UnixStream) -> std::io::Result<Vec<u8>> {
    stream.write_all(REQUEST).await?;
    let mut answer = Vec::new();
    let mut limited = (&mut stream).take(LONGEST as u64);
    limited.read_to_end(&mut answer).await?;
    Ok(answer)
}
