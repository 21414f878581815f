//! An application whose answers a test decides, one by one.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio::sync::{Notify, mpsc};

type Decide = dyn Fn(&Asked) -> Reply + Send + Sync;

/// A request as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// The first is 1.
    pub(crate) number: usize,
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
}

impl Asked {
    /// A field's value; empty if there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().expect("text"))
    }
}

/// An answer.
pub(crate) struct Reply {
    status: u16,
    fields: Vec<(String, String)>,
    body: Option<Sent>,
    held: Option<Arc<Notify>>,
}

enum Sent {
    Whole(String),
    Pieces(mpsc::Receiver<Bytes>),
    /// The connection breaks instead.
    Nothing,
}

impl Reply {
    /// 200 with this body.
    pub(crate) fn new(body: impl Into<String>) -> Self {
        Self {
            status: 200,
            fields: Vec::new(),
            body: Some(Sent::Whole(body.into())),
            held: None,
        }
    }

    /// With this `Cache-Control`.
    pub(crate) fn cached(body: impl Into<String>, control: &str) -> Self {
        Self::new(body).with("cache-control", control)
    }

    /// 200 whose body comes piece by piece, and is over when the sender is dropped.
    pub(crate) fn pieces(pieces: mpsc::Receiver<Bytes>) -> Self {
        Self {
            status: 200,
            fields: Vec::new(),
            body: Some(Sent::Pieces(pieces)),
            held: None,
        }
    }

    /// No answer: the connection breaks.
    pub(crate) fn broken() -> Self {
        Self {
            status: 200,
            fields: Vec::new(),
            body: Some(Sent::Nothing),
            held: None,
        }
    }

    pub(crate) fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.fields.push((name.to_owned(), value.into()));
        self
    }

    /// Its head comes when the gate opens.
    pub(crate) fn held(mut self, gate: &Arc<Notify>) -> Self {
        self.held = Some(Arc::clone(gate));
        self
    }

    fn made(mut self) -> Option<Response<BoxBody<Bytes, Infallible>>> {
        let body = match self.body.take()? {
            Sent::Whole(text) => Full::new(Bytes::from(text)).boxed(),
            Sent::Pieces(pieces) => BodyExt::boxed(StreamBody::new(futures_util::stream::unfold(
                pieces,
                |mut pieces| async {
                    let piece = pieces.recv().await?;
                    Some((Ok(Frame::data(piece)), pieces))
                },
            ))),
            Sent::Nothing => return None,
        };
        let mut response = Response::new(body);
        *response.status_mut() = self.status.try_into().expect("status");
        for (name, value) in self.fields {
            let name: HeaderName = name.parse().expect("name");
            let value = HeaderValue::from_str(&value).expect("value");
            response.headers_mut().append(name, value);
        }
        Some(response)
    }
}

/// The application.
#[derive(Clone)]
pub(crate) struct Origin {
    pub(crate) target: String,
    seen: Arc<Mutex<Vec<Asked>>>,
}

impl Origin {
    pub(crate) async fn start(decide: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("port");
        let target = listener.local_addr().expect("address").to_string();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let decide: Arc<Decide> = Arc::new(decide);
        let origin = Self {
            target,
            seen: Arc::clone(&seen),
        };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (decide, seen) = (Arc::clone(&decide), Arc::clone(&seen));
                tokio::spawn(async move {
                    let service = service_fn(|request| {
                        answer(request, Arc::clone(&decide), Arc::clone(&seen))
                    });
                    drop(
                        hyper::server::conn::http1::Builder::new()
                            .serve_connection(TokioIo::new(stream), service)
                            .await,
                    );
                });
            }
        });
        origin
    }

    /// How many requests came.
    pub(crate) fn count(&self) -> usize {
        self.seen.lock().len()
    }

    /// The last request.
    pub(crate) fn last(&self) -> Asked {
        self.seen.lock().last().cloned().expect("a request")
    }
}

async fn answer(
    request: Request<Incoming>,
    decide: Arc<Decide>,
    seen: Arc<Mutex<Vec<Asked>>>,
) -> Result<Response<BoxBody<Bytes, Infallible>>, std::io::Error> {
    let asked = {
        let mut seen = seen.lock();
        let asked = Asked {
            number: seen.len() + 1,
            method: request.method().to_string(),
            target: request.uri().to_string(),
            headers: request.headers().clone(),
        };
        seen.push(asked.clone());
        asked
    };
    let reply = decide(&asked);
    if let Some(gate) = &reply.held {
        gate.notified().await;
    }
    reply.made().ok_or_else(|| std::io::Error::other("broken"))
}
