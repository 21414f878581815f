//! The command line's end of the control socket.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::UnixStream;

use super::verb;

const MOST_ANSWER: usize = 16 * 1024 * 1024;
const CONNECT_DEADLINE: Duration = Duration::from_secs(5);

/// Why there is no answer, or not the one hoped for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CtlError {
    /// Nobody answers.
    #[error("no proxy answers at {}: is it running, with `proxy.control` set to this socket?", path.display())]
    Connect {
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The conversation broke off.
    #[error("the proxy's answer cannot be read")]
    Answer(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// No answer in time.
    #[error("the proxy did not answer within {0:?}")]
    Late(Duration),
    /// What was asked makes no sense.
    #[error("{0}")]
    Usage(String),
    /// It did not work; `answer` is all that the proxy said.
    #[error("{problem}")]
    Failed {
        /// What went wrong.
        problem: String,
        /// The whole answer.
        answer: Value,
    },
}

/// Asks the proxy behind the socket `path`.
///
/// # Errors
/// [`CtlError`].
pub async fn ask(path: &Path, request: &verb::Request) -> Result<Value, CtlError> {
    tokio::time::timeout(request.patience, talk(path, request))
        .await
        .map_err(|_| CtlError::Late(request.patience))?
}

async fn talk(path: &Path, request: &verb::Request) -> Result<Value, CtlError> {
    let failed = |source| CtlError::Connect {
        path: path.to_owned(),
        source,
    };
    let stream = tokio::time::timeout(CONNECT_DEADLINE, UnixStream::connect(path))
        .await
        .map_err(|_| failed(io::ErrorKind::TimedOut.into()))?
        .map_err(failed)?;
    let (status, body) = exchange(stream, request).await.map_err(CtlError::Answer)?;
    let answer: Value = serde_json::from_slice(&body).map_err(|e| CtlError::Answer(e.into()))?;
    if status == StatusCode::OK {
        return Ok(answer);
    }
    let problem = answer
        .get("error")
        .and_then(Value::as_str)
        .map_or_else(|| format!("the proxy answered {status}"), str::to_owned);
    Err(match status {
        StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND => CtlError::Usage(problem),
        _ => CtlError::Failed { problem, answer },
    })
}

async fn exchange(
    stream: UnixStream,
    request: &verb::Request,
) -> Result<(StatusCode, Bytes), Box<dyn std::error::Error + Send + Sync>> {
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let message = Request::post(format!("/v1/{}", request.name))
        .header(HOST, "kiuas-proxy")
        .header(CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(request.arguments.to_string())))?;
    let talk = async {
        let response = sender.send_request(message).await?;
        let status = response.status();
        let body = Limited::new(response.into_body(), MOST_ANSWER);
        Ok((status, body.collect().await?.to_bytes()))
    };
    // The connection is driven here, beside the request; it ends after the answer's last byte.
    tokio::pin!(talk, connection);
    tokio::select! {
        biased;
        outcome = &mut talk => outcome,
        ended = &mut connection => {
            ended?;
            talk.await
        }
    }
}
