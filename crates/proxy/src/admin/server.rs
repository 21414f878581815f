//! The proxy's end of the control socket. Everything is bounded: connections, heads, bodies, and the
//! time for each; how long a verb may take is the verb's own affair.

use std::convert::Infallible;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use kiuas_common::Listener;
use kiuas_common::listener::{self, ListenerError, SocketFile, Stream, accept_private};
use serde_json::{Value, json};

use super::Context;
use super::verb::{self, VerbError};

const MOST_CONNECTIONS: usize = 32;
const MOST_BODY: usize = 64 * 1024;
const HEAD_DEADLINE: Duration = Duration::from_secs(5);
const BODY_DEADLINE: Duration = Duration::from_secs(5);
const PREFIX: &str = "/v1/";

/// Answers on `listener`, the Unix socket `path`, until the end or until another process does, and
/// announces it as `control`.
///
/// # Errors
/// The socket cannot be used.
pub fn serve(path: &Path, listener: Listener, context: Context) -> Result<(), ListenerError> {
    let failed = |source| ListenerError::Bind {
        address: path.display().to_string(),
        source,
    };
    let address = listener.local_address().map_err(failed)?;
    let listener = listener.into_tokio().map_err(failed)?;
    listener::announce("control", &address);
    let file = SocketFile::of(&address);
    let until = context.shared.shutdown.clone();
    #[expect(
        clippy::disallowed_methods,
        reason = "it answers during the drain, and must not hold it up"
    )]
    tokio::spawn(async move {
        let file = file;
        let leave = context.shared.handed_over.clone();
        let serve = |stream| connection(stream, context.clone());
        tokio::select! {
            () = accept_private(listener, "control", MOST_CONNECTIONS, serve) => {}
            // Another process's now.
            () = leave.cancelled() => file.keep(),
            () = until.cutting() => {}
        }
    });
    Ok(())
}

async fn connection(stream: Stream, context: Context) {
    let service = service_fn(move |request| {
        let context = context.clone();
        async move { Ok::<_, Infallible>(answer(request, &context).await) }
    });
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_DEADLINE)
        .max_buf_size(16 * 1024)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "a connection to the control socket ended early");
    }
}

async fn answer(request: Request<Incoming>, context: &Context) -> Response<Full<Bytes>> {
    let path = request.uri().path().to_owned();
    let Some(name) = path.strip_prefix(PREFIX) else {
        return unknown();
    };
    if !verb::NAMES.contains(&name) {
        return unknown();
    }
    if request.method() != Method::POST {
        let mut response = problem(StatusCode::METHOD_NOT_ALLOWED, "only POST", None);
        let headers = response.headers_mut();
        headers.insert(ALLOW, HeaderValue::from_static("POST"));
        return response;
    }
    let body = Limited::new(request.into_body(), MOST_BODY).collect();
    let body = match tokio::time::timeout(BODY_DEADLINE, body).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) => return problem(StatusCode::BAD_REQUEST, &error.to_string(), None),
        Err(_) => {
            return problem(
                StatusCode::REQUEST_TIMEOUT,
                "the body came too slowly",
                None,
            );
        }
    };
    let outcome = verb::dispatch(name, &body, context).await;
    if let Some(Err(error)) = &outcome {
        tracing::info!(control.verb = name, %error, "`{name}` was not done");
    }
    match outcome {
        None => unknown(),
        Some(Ok(answer)) => json(StatusCode::OK, &answer),
        Some(Err(VerbError::Usage(text))) => problem(StatusCode::BAD_REQUEST, &text, None),
        Some(Err(VerbError::Failed {
            problem: text,
            report,
        })) => problem(StatusCode::CONFLICT, &text, report),
    }
}

fn unknown() -> Response<Full<Bytes>> {
    let verbs = verb::NAMES.join(", ");
    let text = format!("write POST {PREFIX}VERB, with one of {verbs}");
    problem(StatusCode::NOT_FOUND, &text, None)
}

fn problem(status: StatusCode, text: &str, report: Option<Value>) -> Response<Full<Bytes>> {
    let mut body = json!({ "error": text });
    if let (Some(report), Some(body)) = (report, body.as_object_mut()) {
        body.insert("report".to_owned(), report);
    }
    json(status, &body)
}

fn json(status: StatusCode, body: &Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(format!("{body}\n"))));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
