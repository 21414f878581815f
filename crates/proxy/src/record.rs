//! One request from its first byte to the last of its answer: counted while it lives, logged once at
//! its end, whatever the end is.

use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Method, Uri};
use hyper::body::{Body, Frame, SizeHint};
use tracing::Span;

use crate::access_log::{AccessLog, Entry, Kept};
use crate::body::{BoxError, Outbound};
use crate::crowd::Present;
use crate::exchange::Connection;
use crate::fault::Fault;
use crate::files::FileBody;
use crate::meter::Cells;
use crate::text::Text;
use crate::tls::Session;
use crate::upstream::{Sent, Upstream};

/// Logged for a visitor who left before the answer (nginx's number, known to log readers).
const CLIENT_CLOSED: u16 = 499;

/// What is known about a request.
#[derive(Debug)]
pub struct Record {
    begun: Instant,
    method: Option<Method>,
    target: Option<Uri>,
    kept: Kept,
    /// The host it is for, with a port if one was given.
    pub host: Option<HeaderValue>,
    /// `http` or `https`.
    pub scheme: &'static str,
    /// Our id.
    pub request_id: Text,
    /// The visitor.
    pub client: Option<std::net::IpAddr>,
    /// `HTTP/1.1` or another.
    version: http::Version,
    /// The server span.
    pub span: Span,
    /// The trace it belongs to.
    pub trace_id: Option<String>,
    /// Who forwarded it, if it was forwarded.
    pub via: Option<Rc<Upstream>>,
    /// Where it was sent, the last time if it was more than once.
    pub sent: Option<Sent>,
    /// How long the application took to the head of its answer.
    pub upstream: Option<Duration>,
    /// Who gave the right password.
    pub user: Option<Box<str>>,
    /// How often the request was sent to an application more than once.
    pub retries: u32,
    /// What the cache did, in a word.
    pub cache: Option<&'static str>,
    /// When its answer must be complete, if it must be.
    deadline: Option<Instant>,
    /// Its place among the requests of its address, if they are counted.
    pub present: Option<Present>,
    /// What went wrong.
    pub fault: Option<Fault>,
    /// What an operator wants visitors to read about it.
    pub notice: Option<Arc<str>>,
    /// `Strict-Transport-Security` of the site.
    pub hsts: Option<http::HeaderValue>,
    /// The site's figures.
    pub cells: Option<Arc<Cells>>,
    status: Option<u16>,
    bytes: u64,
    complete: bool,
    log: Option<Rc<AccessLog>>,
    /// `None`: nobody's request, such as the validation of a stored answer.
    connection: Option<Rc<Connection>>,
}

/// What a fetch on behalf of a request has noted.
#[derive(Debug, Clone, Default)]
pub struct FetchRecord {
    via: Option<Rc<Upstream>>,
    sent: Option<Sent>,
    upstream: Option<Duration>,
    retries: u32,
}

impl Record {
    /// A request begins on `connection`.
    #[must_use]
    pub fn new(connection: &Rc<Connection>, log: Option<Rc<AccessLog>>) -> Self {
        connection.pulse.request_begins();
        connection.worker.shared.meter.in_flight.inc();
        Self::of(Some(Rc::clone(connection)), log)
    }

    fn of(connection: Option<Rc<Connection>>, log: Option<Rc<AccessLog>>) -> Self {
        Self {
            begun: Instant::now(),
            method: None,
            target: None,
            kept: Kept::default(),
            host: None,
            scheme: "http",
            request_id: Text::default(),
            client: None,
            version: http::Version::HTTP_11,
            span: Span::none(),
            trace_id: None,
            via: None,
            sent: None,
            upstream: None,
            user: None,
            retries: 0,
            cache: None,
            deadline: None,
            present: None,
            fault: None,
            notice: None,
            hsts: None,
            cells: None,
            status: None,
            bytes: 0,
            complete: false,
            log,
            connection,
        }
    }

    /// Of a fetch that serves the cache: it is neither counted nor logged, and belongs to no connection.
    #[must_use]
    pub fn of_fetch(span: Span) -> Self {
        let mut record = Self::of(None, None);
        record.span = span;
        record
    }

    /// Takes over what a fetch on behalf of this request has noted.
    pub fn adopt(&mut self, fetch: FetchRecord) {
        self.via = fetch.via;
        self.sent = fetch.sent;
        self.upstream = fetch.upstream;
        self.retries = fetch.retries;
    }

    /// What the request on whose behalf it was takes over.
    #[must_use]
    pub fn fetched(&self) -> FetchRecord {
        FetchRecord {
            via: self.via.clone(),
            sent: self.sent.clone(),
            upstream: self.upstream,
            retries: self.retries,
        }
    }

    /// Its head was read and breaks no rule.
    pub fn began(&mut self, parts: &Parts) {
        self.method = Some(parts.method.clone());
        self.target = Some(parts.uri.clone());
        self.version = parts.version;
        if let Some(log) = &self.log {
            self.kept = log.keep(&parts.headers);
        }
    }

    /// Its answer must be complete within `limit`, counted from its beginning.
    pub fn end_within(&mut self, limit: Duration) {
        self.deadline = Some(self.begun + limit);
    }

    fn is_overdue(&self) -> bool {
        self.deadline
            .is_some_and(|deadline| deadline <= Instant::now())
    }

    /// The answer's head is known.
    pub fn answered(&mut self, status: u16) {
        self.status = Some(status);
        let Some(connection) = &self.connection else {
            return;
        };
        let meter = &connection.worker.shared.meter;
        meter.answered(status);
        if let Some(rule) = self.fault.and_then(Fault::rule) {
            meter.refused(rule);
        }
    }

    fn write(&self) {
        let status = self.status.unwrap_or(CLIENT_CLOSED);
        self.span.record("http.response.status_code", status);
        let duration = self.begun.elapsed();
        self.count(status, duration);
        let Some(log) = &self.log else { return };
        let path = self.target.as_ref().map_or("-", Uri::path);
        let failed = status >= 500 || !self.complete && status != CLIENT_CLOSED;
        if !log.wants(path, failed) {
            return;
        }
        if log.is_event() {
            self.write_event(status, path, duration);
            return;
        }
        let fault = self.fault.map(|fault| fault.to_string());
        log.line(&Entry {
            client: self.client,
            user: self.user.as_deref(),
            method: self.method.as_ref(),
            target: self.target.as_ref(),
            version: self.version,
            host: self.host.as_ref(),
            scheme: self.scheme,
            tls: self.session(),
            status,
            bytes: self.bytes,
            complete: self.complete,
            duration,
            upstream: self.via.as_ref().map(|via| via.name()),
            target_sent: self.sent.as_ref().map(Sent::target),
            upstream_duration: self.upstream,
            retries: self.retries,
            cache: self.cache,
            referer: self.kept.referer.as_ref(),
            user_agent: self.kept.user_agent.as_ref(),
            headers: &self.kept.headers,
            request_id: self.request_id.as_bytes(),
            trace_id: self.trace_id.as_deref(),
            fault: fault.as_deref(),
        });
    }

    fn session(&self) -> Option<Session> {
        self.connection.as_ref()?.session
    }

    fn count(&self, status: u16, duration: Duration) {
        let Some(connection) = &self.connection else {
            return;
        };
        if let Some(cells) = &self.cells {
            cells.took(duration);
            cells.answered(status, self.bytes);
        }
        if let (Some(via), Some(duration)) = (&self.via, self.upstream) {
            via.took(duration);
        }
        if let Some(word) = self.cache {
            connection.worker.shared.meter.cached(word);
        }
    }

    /// `Server-Timing` so far.
    #[must_use]
    pub fn timing(&self) -> Option<HeaderValue> {
        let milliseconds = |duration: Duration| duration.as_secs_f64() * 1000.0;
        let mut text = format!("total;dur={:.3}", milliseconds(self.begun.elapsed()));
        if let Some(upstream) = self.upstream {
            text.push_str(&format!(", upstream;dur={:.3}", milliseconds(upstream)));
        }
        if let Some(word) = self.cache {
            text.push_str(&format!(", cache;desc=\"{word}\""));
        }
        HeaderValue::from_str(&text).ok()
    }

    fn write_event(&self, status: u16, path: &str, duration: Duration) {
        let milliseconds = |duration: Duration| duration.as_secs_f64() * 1000.0;
        let method = self.method.as_ref().map_or("-", Method::as_str);
        let host = self.host.as_ref().and_then(|host| host.to_str().ok());
        let _entered = self.span.enter();
        tracing::info!(
            target: "access",
            {
            http.request.method = method,
            url.path = path,
            server.address = without_port(host.unwrap_or("-")),
            network.protocol.version = ?self.version,
            http.response.status_code = status,
            http.response.body.bytes = self.bytes,
            http.response.complete = self.complete,
            duration_ms = milliseconds(duration),
            tls.version = self.session().map(|tls| tls.version),
            tls.cipher = self.session().map(|tls| tls.cipher),
            user.name = self.user.as_deref(),
            upstream.name = self.via.as_ref().map(|via| via.name()),
            upstream.target = self.sent.as_ref().map(|sent| tracing::field::display(sent.target())),
            upstream.duration_ms = self.upstream.map(milliseconds),
            upstream.retries = self.retries,
            cache.status = self.cache,
            request.id = &*self.request_id,
            client.address = self.client.map(tracing::field::display),
            trace.id = self.trace_id,
            fault = self.fault.map(tracing::field::display),
            },
            "{method} {path} {status}",
        );
    }
}

/// Of a host that the gate let pass.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => name,
        _ => host,
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let Some(connection) = &self.connection else {
            return;
        };
        self.write();
        connection.pulse.request_ends();
        connection.worker.shared.meter.in_flight.dec();
    }
}

/// An answer's body with the record of its request, which ends with it.
#[derive(Debug)]
pub struct Recorded {
    body: Outbound,
    // Large, and answers are moved often.
    record: Option<Box<Record>>,
}

impl Recorded {
    /// The record ends when `body` does.
    #[must_use]
    pub fn new(body: Outbound, record: Box<Record>) -> Self {
        let mut recorded = Self {
            body,
            record: Some(record),
        };
        recorded.note_end();
        recorded
    }

    /// The file that the body comes from, for who sends it without reading it.
    #[must_use]
    pub fn file(&self) -> Option<&FileBody> {
        match &self.body {
            Outbound::File(file) => Some(file),
            _ => None,
        }
    }

    /// So many bytes of the file have gone out unread.
    pub fn sent(&mut self, bytes: u64) {
        if let Outbound::File(file) = &mut self.body {
            file.advance(bytes);
        }
        if let Some(record) = &mut self.record {
            record.bytes += bytes;
        }
        self.note_end();
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
        if this
            .record
            .as_ref()
            .is_some_and(|record| record.is_overdue())
        {
            this.record = None;
            return Poll::Ready(Some(Err(
                "the whole request took longer than allowed".into()
            )));
        }
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
