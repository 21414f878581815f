//! The access log: one line a request, formatted in the thread that served it and written by a thread of
//! its own. When the disk stalls, lines are dropped and counted; no visitor waits.
//!
//! Secrets are never in it: no cookies and no credentials; values of query parameters that look like
//! secrets are hidden ([`redact`]).

mod combined;
mod escape;
mod json;
pub mod redact;
mod sink;
#[cfg(test)]
mod tests;
mod time;

use std::cell::{Cell, RefCell};
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method, Uri, Version};

pub use sink::{Sink, SinkError};

use crate::plan::{LogPlan, Plan};
use crate::settings::LogFormat;
use crate::tls::Session;
use crate::upstream::Target;

/// What a line says.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// The visitor.
    pub client: Option<IpAddr>,
    /// Who gave the right password.
    pub user: Option<&'a str>,
    /// None if the request was refused unread.
    pub method: Option<&'a Method>,
    /// As the visitor wrote it.
    pub target: Option<&'a Uri>,
    /// Of HTTP.
    pub version: Version,
    /// With the port, if one was given.
    pub host: Option<&'a HeaderValue>,
    /// `http` or `https`.
    pub scheme: &'static str,
    /// What the handshake agreed on, if the connection is TLS.
    pub tls: Option<Session>,
    /// Of the answer; 499 if the visitor left before.
    pub status: u16,
    /// Of the answer's body.
    pub bytes: u64,
    /// The answer was written to its end.
    pub complete: bool,
    /// From the head to the answer's end.
    pub duration: Duration,
    /// The upstream's name.
    pub upstream: Option<&'a str>,
    /// Where it was sent.
    pub target_sent: Option<&'a Target>,
    /// To the head of the application's answer.
    pub upstream_duration: Option<Duration>,
    /// Sent so many times more than once.
    pub retries: u32,
    /// What the cache did.
    pub cache: Option<&'a str>,
    /// `Referer`.
    pub referer: Option<&'a HeaderValue>,
    /// `User-Agent`.
    pub user_agent: Option<&'a HeaderValue>,
    /// Fields that the settings ask for.
    pub headers: &'a [(http::HeaderName, HeaderValue)],
    /// Our id.
    pub request_id: &'a [u8],
    /// The trace it belongs to.
    pub trace_id: Option<&'a str>,
    /// What went wrong.
    pub fault: Option<&'a str>,
}

/// What of a request's head is kept for its line.
#[derive(Debug, Default)]
pub struct Kept {
    /// `Referer`.
    pub referer: Option<HeaderValue>,
    /// `User-Agent`.
    pub user_agent: Option<HeaderValue>,
    /// Fields that the settings ask for.
    pub headers: Vec<(http::HeaderName, HeaderValue)>,
}

/// One thread's end of the access log.
#[derive(Debug)]
pub struct AccessLog {
    settings: Arc<LogPlan>,
    sink: Option<Arc<Sink>>,
    buffer: RefCell<Vec<u8>>,
    lines: Cell<u64>,
}

impl AccessLog {
    /// `None` if nothing is logged. `old` is kept if it does the same.
    #[must_use]
    pub fn new(plan: &Arc<Plan>, old: Option<&Rc<Self>>) -> Option<Rc<Self>> {
        if plan.access_log.format == LogFormat::Off {
            return None;
        }
        if let Some(old) = old
            && old.settings == plan.access_log
        {
            return Some(Rc::clone(old));
        }
        Some(Rc::new(Self {
            settings: Arc::clone(&plan.access_log),
            sink: plan.log_sink.clone(),
            buffer: RefCell::default(),
            lines: Cell::new(0),
        }))
    }

    /// What must be kept of a request's head.
    #[must_use]
    pub fn keep(&self, headers: &HeaderMap) -> Kept {
        if self.sink.is_none() {
            return Kept::default();
        }
        let wanted = &self.settings.headers;
        Kept {
            referer: headers.get(http::header::REFERER).cloned(),
            user_agent: headers.get(http::header::USER_AGENT).cloned(),
            headers: wanted
                .iter()
                .filter_map(|name| Some((name.clone(), headers.get(name)?.clone())))
                .collect(),
        }
    }

    /// True if this request gets a line.
    #[must_use]
    pub fn wants(&self, path: &str, failed: bool) -> bool {
        let settings = &self.settings;
        if failed && settings.errors {
            return true;
        }
        if settings.excludes(path) {
            return false;
        }
        settings.sample == u32::MAX || rand::random::<u32>() < settings.sample
    }

    /// True if lines are events of the process's own log, which the caller makes.
    #[must_use]
    pub fn is_event(&self) -> bool {
        self.sink.is_none()
    }

    /// Adds a line.
    pub fn line(&self, entry: &Entry<'_>) {
        let Some(sink) = &self.sink else { return };
        let mut buffer = self.buffer.borrow_mut();
        if buffer.capacity() == 0 {
            buffer.reserve(self.settings.buffer);
        }
        match self.settings.format {
            LogFormat::Json => json::write(&mut buffer, entry, &self.settings.redact),
            LogFormat::CombinedPlus => {
                combined::write_plus(&mut buffer, entry, &self.settings.redact)
            }
            _ => combined::write(&mut buffer, entry, &self.settings.redact),
        }
        self.lines.set(self.lines.get() + 1);
        if buffer.len() + LINE > self.settings.buffer {
            sink.take(std::mem::take(&mut *buffer), self.lines.replace(0));
        }
    }

    /// Passes on what has gathered. Called about once a second.
    pub fn flush(&self) {
        let Some(sink) = &self.sink else { return };
        let mut buffer = self.buffer.borrow_mut();
        if !buffer.is_empty() {
            sink.take(std::mem::take(&mut *buffer), self.lines.replace(0));
        }
    }
}

/// A long line: with less room than this a buffer is passed on.
const LINE: usize = 1024;

impl Drop for AccessLog {
    fn drop(&mut self) {
        self.flush();
    }
}
