//! An application that writes down what arrives.

use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncWrite};

/// A request as it arrived, whole.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
    pub(crate) trailers: Option<HeaderMap>,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().expect("text"))
    }
}

#[derive(Debug, Default)]
struct State {
    seen: Mutex<Vec<Seen>>,
    begun: AtomicUsize,
    connections: AtomicUsize,
    status: AtomicU16,
    ill: AtomicBool,
    asked: AtomicUsize,
    released: AtomicUsize,
}

/// The application.
#[derive(Debug, Clone)]
pub(crate) struct App {
    /// What the proxy's settings say about it.
    pub(crate) target: String,
    state: Arc<State>,
    _directory: Option<Arc<TempDir>>,
}

impl App {
    /// On a TCP port.
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("port");
        let target = listener.local_addr().expect("address").to_string();
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&shared)));
            }
        });
        Self {
            target,
            state,
            _directory: None,
        }
    }

    /// On a Unix socket.
    pub(crate) async fn start_unix() -> Self {
        let directory = tempfile::tempdir().expect("directory");
        let path = directory.path().join("app.sock");
        let listener = tokio::net::UnixListener::bind(&path).expect("socket");
        let app = Self::serve_unix(listener);
        Self {
            target: format!("unix:{}", path.display()),
            _directory: Some(Arc::new(directory)),
            ..app
        }
    }

    /// Behind a Unix socket that somebody else opened.
    pub(crate) fn serve_unix(listener: tokio::net::UnixListener) -> Self {
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&shared)));
            }
        });
        Self {
            target: String::new(),
            state,
            _directory: None,
        }
    }

    /// What has arrived, whole, since the last call.
    pub(crate) fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut self.state.seen.lock())
    }

    /// The one request that has arrived.
    pub(crate) fn only(&self) -> Seen {
        let mut seen = self.take();
        assert_eq!(seen.len(), 1, "{seen:?}");
        seen.remove(0)
    }

    /// How many requests have begun.
    pub(crate) fn begun(&self) -> usize {
        self.state.begun.load(Ordering::SeqCst)
    }

    /// From now on every answer has this status.
    pub(crate) fn answer_with(&self, status: u16) {
        self.state.status.store(status, Ordering::SeqCst);
    }

    /// What `/healthz` says from now on.
    pub(crate) fn be_well(&self, well: bool) {
        self.state.ill.store(!well, Ordering::SeqCst);
    }

    /// How often `/healthz` was asked.
    pub(crate) fn asked(&self) -> usize {
        self.state.asked.load(Ordering::SeqCst)
    }

    /// Lets `count` more requests for `/hold` end.
    pub(crate) fn release(&self, count: usize) {
        self.state.released.fetch_add(count, Ordering::SeqCst);
    }

    /// How many connections it took so far.
    pub(crate) fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }
}

async fn serve<S>(stream: S, state: Arc<State>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    state.connections.fetch_add(1, Ordering::SeqCst);
    let service = service_fn(move |request| answer(request, Arc::clone(&state)));
    drop(
        hyper::server::conn::http1::Builder::new()
            .serve_connection(TokioIo::new(stream), service)
            .await,
    );
}

static LARGE: LazyLock<Bytes> = LazyLock::new(|| Bytes::from(vec![b'x'; 3 << 20]));

type Answer = Response<BoxBody<Bytes, Infallible>>;

/// `/slow/N` answers after N ms, `/echo` with the body, `/stream` piece by piece with a trailer,
/// `/large` with 3 MiB, `/hop` with fields of one connection, everything else with `ok`.
/// `/healthz` does not count as a request; `/hold` ends when it is released.
async fn answer(request: Request<Incoming>, state: Arc<State>) -> Result<Answer, Infallible> {
    if request.uri().path() == "/healthz" {
        state.asked.fetch_add(1, Ordering::SeqCst);
        let mut answer = text("health");
        if state.ill.load(Ordering::SeqCst) {
            *answer.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        }
        return Ok(answer);
    }
    state.begun.fetch_add(1, Ordering::SeqCst);
    let (parts, body) = request.into_parts();
    let Ok(collected) = body.collect().await else {
        let mut broken = text("broken");
        *broken.status_mut() = StatusCode::BAD_REQUEST;
        return Ok(broken);
    };
    let trailers = collected.trailers().cloned();
    let body = collected.to_bytes();
    let path = parts.uri.path().to_owned();
    state.seen.lock().push(Seen {
        method: parts.method.to_string(),
        target: parts.uri.to_string(),
        headers: parts.headers,
        trailers,
    });
    if let Some(milliseconds) = path.strip_prefix("/slow/") {
        tokio::time::sleep(Duration::from_millis(milliseconds.parse().expect("number"))).await;
    }
    if path == "/hold" {
        super::until_released(&state.released).await;
    }
    let status = state.status.load(Ordering::SeqCst);
    if status != 0 {
        let mut answer = text("so it is");
        *answer.status_mut() = StatusCode::from_u16(status).expect("status");
        return Ok(answer);
    }
    Ok(match path.as_str() {
        "/echo" => Response::new(Full::new(body).boxed()),
        "/large" => Response::new(Full::new(LARGE.clone()).boxed()),
        "/stream" => stream(),
        "/hop" => hop(),
        _ => text("ok"),
    })
}

fn text(text: &'static str) -> Answer {
    Response::new(Full::new(Bytes::from_static(text.as_bytes())).boxed())
}

fn stream() -> Answer {
    let frames =
        ["one ", "two ", "three"].map(|piece| Frame::data(Bytes::from_static(piece.as_bytes())));
    let mut trailers = HeaderMap::new();
    trailers.insert("x-sum", "42".parse().expect("value"));
    let frames = frames
        .into_iter()
        .chain([Frame::trailers(trailers)])
        .map(Ok::<_, Infallible>);
    let mut response = Response::new(BodyExt::boxed(StreamBody::new(futures_util::stream::iter(
        frames,
    ))));
    response
        .headers_mut()
        .insert("trailer", "x-sum".parse().expect("value"));
    response
}

fn hop() -> Answer {
    let mut response = text("ok");
    for (name, value) in [
        ("connection", "keep-alive, x-private"),
        ("keep-alive", "timeout=5"),
        ("x-private", "1"),
        ("x-public", "1"),
    ] {
        response
            .headers_mut()
            .insert(name, value.parse().expect("value"));
    }
    response
}
