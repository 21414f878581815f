//! HTTP/2 towards applications that speak it without TLS (gRPC servers): one connection for each thread
//! and target, all requests over it. hyper's client; the framing is none that we would do better.

use std::cell::RefCell;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HOST, HeaderName, HeaderValue, TE};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Request, Response, Uri, Version};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::Mutex;
use tokio::time::Sleep;

use super::Target;
use super::connect::ConnectError;
use super::headers::{self, Call};
use super::turn::Seat;
use crate::body::{BodyFault, BoxError, Inbound};
use crate::connection::OnThisThread;
use crate::meter::Counted;

const STREAM_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;
const MOST_HEAD: u32 = 64 * 1024;
const PING_EVERY: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(15);

type Sender = SendRequest<Inbound>;

/// A thread's connection to one target.
#[derive(Debug, Default)]
pub(super) struct Shared {
    sender: RefCell<Option<Sender>>,
    /// Held by whoever connects: the others wait for what comes of it.
    connecting: Mutex<()>,
}

impl Shared {
    fn open(&self) -> Option<Sender> {
        let open = self.sender.borrow().clone();
        open.filter(|sender| !sender.is_closed())
    }

    /// The connection, made if there is none. `open` counts it.
    pub(super) async fn sender(
        &self,
        target: &Target,
        deadline: Duration,
        open: Gauge,
    ) -> Result<Sender, ConnectError> {
        if let Some(sender) = self.open() {
            return Ok(sender);
        }
        let _alone = self.connecting.lock().await;
        if let Some(sender) = self.open() {
            return Ok(sender);
        }
        let sender = tokio::time::timeout(deadline, connect(target, open))
            .await
            .map_err(|_| ConnectError::Late(deadline))??;
        self.sender.replace(Some(sender.clone()));
        Ok(sender)
    }
}

async fn connect(target: &Target, open: Gauge) -> Result<Sender, ConnectError> {
    let stream = target.connect().await.map_err(ConnectError::Refused)?;
    let (sender, connection) = Builder::new(OnThisThread)
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(MOST_HEAD)
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_TIMEOUT)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(ConnectError::Handshake)?;
    let counted = Counted::new(open);
    // Not tracked by the shutdown: it ends when its last sender is gone, and a request that uses it is
    // tracked.
    tokio::task::spawn_local(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "an HTTP/2 connection to an application ended early");
        }
        drop(counted);
    });
    Ok(sender)
}

/// Why there is no answer.
pub(super) enum Failed {
    /// The whole request is here again.
    Unsent(Inbound),
    /// The stream or its connection broke.
    Broken,
    /// The visitor's body did.
    Body(BodyFault),
    /// Nothing came for too long.
    Late,
}

/// Sends `call` with `body` and waits for the head of the answer, at most `patience` after the body's
/// last piece.
pub(super) async fn ask(
    mut sender: Sender,
    call: &Call<'_>,
    body: Inbound,
    patience: Duration,
) -> Result<Response<Incoming>, Failed> {
    let state = body.state();
    let Some(request) = request(call, body) else {
        return Err(Failed::Broken);
    };
    let mut answer = std::pin::pin!(sender.try_send_request(request));
    loop {
        let outcome = tokio::time::timeout(patience, answer.as_mut()).await;
        let failed = match outcome {
            Ok(Ok(response)) => return Ok(response),
            Ok(Err(mut error)) => match error.take_message() {
                Some(request) => Failed::Unsent(request.into_body()),
                None => {
                    let error = error.into_error();
                    tracing::debug!(%error, "an HTTP/2 request to an application broke");
                    Failed::Broken
                }
            },
            Err(_)
                if state
                    .moved()
                    .is_some_and(|moved| moved.elapsed() < patience) =>
            {
                continue;
            }
            Err(_) => Failed::Late,
        };
        return Err(state.fault().map_or(failed, Failed::Body));
    }
}

fn request(call: &Call<'_>, body: Inbound) -> Option<Request<Inbound>> {
    let mut parts = http::uri::Parts::default();
    parts.scheme = Some(Scheme::HTTP);
    parts.authority = Some(Authority::try_from(call.told.host.as_bytes()).ok()?);
    parts.path_and_query = Some(
        call.target
            .path_and_query()
            .cloned()
            .unwrap_or(PathAndQuery::from_static("/")),
    );
    let exact = body.size_hint().exact().filter(|length| *length > 0);
    let mut request = Request::new(body);
    *request.method_mut() = call.method.clone();
    *request.uri_mut() = Uri::from_parts(parts).ok()?;
    *request.version_mut() = Version::HTTP_2;
    let fields = request.headers_mut();
    headers::for_upstream(call, |name, value| {
        // They come from a `HeaderMap`, or are ours and valid.
        let name = HeaderName::from_bytes(name.as_bytes());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(value))
            && name != HOST
        {
            fields.append(name, value);
        }
    });
    if headers::says(call.headers, &TE, "trailers") {
        fields.insert(TE, HeaderValue::from_static("trailers"));
    }
    if let Some(length) = exact {
        fields.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    Some(request)
}

/// Without what HTTP/2 must not hold (RFC 9113 8.2.2) and what is for us; each side speaks its own
/// version.
pub(super) fn cleaned<B>(mut response: Response<B>) -> Response<B> {
    *response.version_mut() = Version::HTTP_11;
    headers::strip(response.headers_mut());
    response
}

/// The body of an answer over HTTP/2.
#[derive(Debug)]
pub struct Multiplexed {
    inner: Incoming,
    seat: Option<Seat>,
    pause: Duration,
    waiting: Option<Pin<Box<Sleep>>>,
}

impl Multiplexed {
    /// `seat` is free when it ends; the application may be silent for `pause`.
    pub(super) fn new(inner: Incoming, seat: Seat, pause: Duration) -> Self {
        let seat = (!inner.is_end_stream()).then_some(seat);
        Self {
            inner,
            seat,
            pause,
            waiting: None,
        }
    }
}

impl Body for Multiplexed {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        let Poll::Ready(frame) = Pin::new(&mut this.inner).poll_frame(cx) else {
            let pause = this.pause;
            let waiting = this
                .waiting
                .get_or_insert_with(|| Box::pin(tokio::time::sleep(pause)));
            ready!(waiting.as_mut().poll(cx));
            let problem = format!("the application paused for {pause:?} in its answer");
            return Poll::Ready(Some(Err(problem.into())));
        };
        this.waiting = None;
        if frame.is_none() || this.inner.is_end_stream() {
            this.seat = None;
        }
        Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
