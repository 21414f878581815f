//! The admin listener: `/healthz` (alive), `/readyz` (may receive work), `/metrics` (Prometheus text).
//!
//! It is private: bind it to loopback or to a Unix socket. Everything is bounded: connections, the
//! size of a head, the time of a request and of every check.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use parking_lot::RwLock;
use tokio_util::sync::CancellationToken;

use crate::listener::{Address, Listener, ListenerError, SocketFile, Stream, accept_private};
use crate::metrics::Metrics;
use crate::shutdown::Shutdown;

const MOST_CONNECTIONS: usize = 32;
const HEAD_DEADLINE: Duration = Duration::from_secs(5);
const CHECK_DEADLINE: Duration = Duration::from_secs(2);
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

type CheckFuture = Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;
type Check = Arc<dyn Fn() -> CheckFuture + Send + Sync>;

/// What a process says about itself. Clones share one state.
#[derive(Clone, Default)]
pub struct Health {
    ready: Arc<AtomicBool>,
    checks: Arc<RwLock<Vec<(&'static str, Check)>>>,
}

impl std::fmt::Debug for Health {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Health")
            .field("ready", &self.ready)
            .finish_non_exhaustive()
    }
}

impl Health {
    /// Alive, not ready, no checks.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Opens or closes the gate: `false` until start-up is done, and again while draining.
    pub fn set_ready(&self, ready: bool) {
        self.ready.store(ready, Ordering::Release);
    }

    /// Adds a condition that must hold for `/readyz`; it has two seconds to answer.
    pub fn add_check<F, R>(&self, name: &'static str, check: F)
    where
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), String>> + Send + 'static,
    {
        self.checks
            .write()
            .push((name, Arc::new(move || Box::pin(check()))));
    }

    /// `Ok` if work may be sent here, else the reasons why not, one a line.
    ///
    /// # Errors
    /// The text of `/readyz`.
    pub async fn readiness(&self) -> Result<(), String> {
        if !self.ready.load(Ordering::Acquire) {
            return Err("not ready: starting or draining\n".to_owned());
        }
        let checks = self.checks.read().clone();
        let mut problems = String::new();
        for (name, check) in checks {
            let outcome = tokio::time::timeout(CHECK_DEADLINE, check()).await;
            let problem = match outcome {
                Ok(Ok(())) => continue,
                Ok(Err(problem)) => problem,
                Err(_) => format!("no answer within {} s", CHECK_DEADLINE.as_secs()),
            };
            problems.push_str(&format!("{name}: {problem}\n"));
        }
        if problems.is_empty() {
            Ok(())
        } else {
            Err(problems)
        }
    }
}

/// Serves the admin listener until the drain is over, and announces its address as `admin`.
/// `{pid}` in a Unix socket's path is replaced by the process id, so that the children of a pool can
/// share one setting.
///
/// # Errors
/// The address cannot be bound.
pub fn serve(
    address: &Address,
    health: Health,
    metrics: Metrics,
    shutdown: &Shutdown,
) -> Result<Address, ListenerError> {
    let listener = bind(address)?;
    serve_on(
        listener,
        health,
        metrics,
        shutdown,
        &CancellationToken::new(),
    )
}

/// Opens the listener of [`serve`], for [`serve_on`].
///
/// # Errors
/// The address cannot be bound.
pub fn bind(address: &Address) -> Result<Listener, ListenerError> {
    Listener::bind(&with_pid(address))
}

/// The same as [`serve`] on a listener that is open. When `leave` is cancelled, another process serves it:
/// the listener is closed, and a Unix socket's path stays.
///
/// # Errors
/// The listener cannot be used.
pub fn serve_on(
    listener: Listener,
    health: Health,
    metrics: Metrics,
    shutdown: &Shutdown,
    leave: &CancellationToken,
) -> Result<Address, ListenerError> {
    let failed = |source| ListenerError::Bind {
        address: "the admin address".to_owned(),
        source,
    };
    let bound = listener.local_address().map_err(failed)?;
    let listener = listener.into_tokio().map_err(failed)?;
    crate::listener::announce("admin", &bound);
    let file = SocketFile::of(&bound);
    let until = shutdown.clone();
    let leave = leave.clone();
    // It answers during the drain too (`/healthz` stays good), and ends with the process.
    #[expect(
        clippy::disallowed_methods,
        reason = "the admin listener must not hold up the drain it reports on"
    )]
    tokio::spawn(async move {
        let file = file;
        let serve = |stream| connection(stream, health.clone(), metrics.clone());
        tokio::select! {
            () = accept_private(listener, "admin", MOST_CONNECTIONS, serve) => {}
            // Another process's now.
            () = leave.cancelled() => file.keep(),
            () = until.cutting() => {}
        }
    });
    Ok(bound)
}

fn with_pid(address: &Address) -> Address {
    match address {
        Address::Unix(path) => Address::Unix(
            path.to_string_lossy()
                .replace("{pid}", &std::process::id().to_string())
                .into(),
        ),
        Address::Tcp(_) => address.clone(),
    }
}

async fn connection(stream: Stream, health: Health, metrics: Metrics) {
    let service = service_fn(move |request| {
        let (health, metrics) = (health.clone(), metrics.clone());
        async move { Ok::<_, Infallible>(answer(&request, &health, &metrics).await) }
    });
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_DEADLINE)
        .max_buf_size(16 * 1024)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "admin connection ended early");
    }
}

async fn answer(
    request: &Request<Incoming>,
    health: &Health,
    metrics: &Metrics,
) -> Response<Full<Bytes>> {
    if request.method() != Method::GET && request.method() != Method::HEAD {
        let mut response = text(
            StatusCode::METHOD_NOT_ALLOWED,
            "only GET and HEAD\n".to_owned(),
        );
        response
            .headers_mut()
            .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    match request.uri().path() {
        "/healthz" => text(StatusCode::OK, "ok\n".to_owned()),
        "/readyz" => match health.readiness().await {
            Ok(()) => text(StatusCode::OK, "ready\n".to_owned()),
            Err(problems) => text(StatusCode::SERVICE_UNAVAILABLE, problems),
        },
        "/metrics" => match metrics.encode() {
            Ok(body) => {
                let mut response = text(StatusCode::OK, body);
                response
                    .headers_mut()
                    .insert(CONTENT_TYPE, HeaderValue::from_static(OPENMETRICS));
                response
            }
            Err(error) => text(
                StatusCode::INTERNAL_SERVER_ERROR,
                format!("cannot format the metrics: {error}\n"),
            ),
        },
        _ => text(
            StatusCode::NOT_FOUND,
            "there are /healthz, /readyz and /metrics\n".to_owned(),
        ),
    }
}

fn text(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    response
        .headers_mut()
        .insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests;
