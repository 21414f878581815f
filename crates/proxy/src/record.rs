//! One request from its first byte to the last of its answer: counted while it lives, logged once at
//! its end, whatever the end is.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tracing::Span;

use crate::body::{BoxError, Outbound};
use crate::fault::Fault;
use crate::meter::{Counted, Meter};
use crate::pulse::Pulse;

/// Logged for a visitor who left before the answer (nginx's number, known to log readers).
const CLIENT_CLOSED: u16 = 499;

/// What is known about a request.
#[derive(Debug)]
pub struct Record {
    begun: Instant,
    /// The method; `-` if it was refused unread.
    pub method: String,
    /// The path, without the query: that may hold secrets.
    pub path: String,
    /// The host it is for.
    pub host: String,
    /// Our id.
    pub request_id: String,
    /// The visitor.
    pub client: Option<std::net::IpAddr>,
    /// `HTTP/1.1` or another.
    pub version: http::Version,
    /// The server span.
    pub span: Span,
    /// The trace it belongs to.
    pub trace_id: Option<String>,
    /// How long the application took to the head of its answer.
    pub upstream: Option<Duration>,
    /// How often the request was sent to an application more than once.
    pub retries: u32,
    /// What the cache did, in a word.
    pub cache: Option<&'static str>,
    /// What went wrong.
    pub fault: Option<Fault>,
    /// What an operator wants visitors to read about it.
    pub notice: Option<Arc<str>>,
    /// `Strict-Transport-Security` of the site.
    pub hsts: Option<http::HeaderValue>,
    status: Option<u16>,
    bytes: u64,
    complete: bool,
    log: bool,
    meter: Meter,
    pulse: Arc<Pulse>,
    /// `None`: nobody's request, such as the validation of a stored answer.
    in_flight: Option<Counted>,
}

/// What a fetch on behalf of a request has noted.
#[derive(Debug, Clone, Copy, Default)]
pub struct FetchRecord {
    upstream: Option<Duration>,
    retries: u32,
}

impl Record {
    /// A request begins on the connection of `pulse`.
    #[must_use]
    pub fn new(pulse: &Arc<Pulse>, meter: &Meter, log: bool) -> Self {
        pulse.request_begins();
        Self {
            begun: Instant::now(),
            method: "-".to_owned(),
            path: "-".to_owned(),
            host: "-".to_owned(),
            request_id: String::new(),
            client: None,
            version: http::Version::HTTP_11,
            span: Span::none(),
            trace_id: None,
            upstream: None,
            retries: 0,
            cache: None,
            fault: None,
            notice: None,
            hsts: None,
            status: None,
            bytes: 0,
            complete: false,
            log,
            meter: meter.clone(),
            pulse: Arc::clone(pulse),
            in_flight: Some(Counted::new(meter.in_flight.clone())),
        }
    }

    /// Of a fetch that serves the cache: it is neither counted nor logged, and belongs to no connection.
    #[must_use]
    pub fn of_fetch(meter: &Meter, span: Span) -> Self {
        let mut record = Self::new(&Arc::new(Pulse::new()), meter, false);
        record.span = span;
        record.in_flight = None;
        record
    }

    /// Takes over what a fetch on behalf of this request has noted.
    pub fn adopt(&mut self, fetch: FetchRecord) {
        self.upstream = fetch.upstream;
        self.retries = fetch.retries;
    }

    /// What the request on whose behalf it was takes over.
    #[must_use]
    pub fn fetched(&self) -> FetchRecord {
        FetchRecord {
            upstream: self.upstream,
            retries: self.retries,
        }
    }

    /// The answer's head is known.
    pub fn answered(&mut self, status: u16) {
        self.status = Some(status);
        self.meter.answered(status);
        if let Some(rule) = self.fault.and_then(Fault::rule) {
            self.meter.refused(rule);
        }
    }

    fn write(&self) {
        if self.in_flight.is_none() {
            return;
        }
        let status = self.status.unwrap_or(CLIENT_CLOSED);
        self.span.record("http.response.status_code", status);
        if !self.log {
            return;
        }
        let milliseconds = |duration: Duration| duration.as_secs_f64() * 1000.0;
        let _entered = self.span.enter();
        tracing::info!(
            target: "access",
            {
            http.request.method = self.method,
            url.path = self.path,
            server.address = self.host,
            network.protocol.version = ?self.version,
            http.response.status_code = status,
            http.response.body.bytes = self.bytes,
            http.response.complete = self.complete,
            duration_ms = milliseconds(self.begun.elapsed()),
            upstream.duration_ms = self.upstream.map(milliseconds),
            upstream.retries = self.retries,
            cache.status = self.cache,
            request.id = self.request_id,
            client.address = self.client.map(tracing::field::display),
            trace.id = self.trace_id,
            fault = self.fault.map(tracing::field::display),
            },
            "{} {} {status}",
            self.method,
            self.path,
        );
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        self.write();
        self.pulse.request_ends();
    }
}

/// An answer's body with the record of its request, which ends with it.
#[derive(Debug)]
pub struct Recorded {
    body: Outbound,
    record: Option<Record>,
}

impl Recorded {
    /// The record ends when `body` does.
    #[must_use]
    pub fn new(body: Outbound, record: Record) -> Self {
        let mut recorded = Self {
            body,
            record: Some(record),
        };
        recorded.note_end();
        recorded
    }

    fn note_end(&mut self) {
        if self.body.is_end_stream()
            && let Some(mut record) = self.record.take()
        {
            record.complete = true;
        }
    }
}

impl Body for Recorded {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.body).poll_frame(cx);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                let length = frame.data_ref().map_or(0, Bytes::len);
                if let Some(record) = &mut this.record {
                    record.bytes += u64::try_from(length).unwrap_or(0);
                }
                this.note_end();
            }
            Poll::Ready(None) => {
                if let Some(mut record) = this.record.take() {
                    record.complete = true;
                }
            }
            Poll::Ready(Some(Err(error))) => {
                tracing::debug!(%error, "an answer broke off");
                this.record = None;
            }
            Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
