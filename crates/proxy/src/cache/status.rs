//! `Cache-Status` (RFC 9211): what the cache did with a request.

use bytes::Bytes;
use http::header::HeaderName;
use http::{HeaderValue, StatusCode};

use crate::answer::Change;
use crate::lines::Fields;
use crate::text::decimal;

/// The field.
pub const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

/// Why a request went to the application (RFC 9211 2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forwarded {
    /// The settings say so.
    Bypass,
    /// Its method is not served from the cache.
    Method,
    /// Nothing is stored for this URL.
    UriMiss,
    /// Something is stored for this URL, for other requests.
    VaryMiss,
    /// Something else was asked for than what is stored.
    Miss,
    /// The request wants it.
    Request,
    /// What is stored is stale.
    Stale,
    /// Part of it is stored.
    Partial,
}

impl Forwarded {
    fn name(self) -> &'static str {
        match self {
            Self::Bypass => "bypass",
            Self::Method => "method",
            Self::UriMiss => "uri-miss",
            Self::VaryMiss => "vary-miss",
            Self::Miss => "miss",
            Self::Request => "request",
            Self::Stale => "stale",
            Self::Partial => "partial",
        }
    }
}

/// What the cache did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Note {
    /// `hit`; otherwise it went to the application.
    pub hit: bool,
    /// Why it did not stay here.
    pub forwarded: Option<Forwarded>,
    /// What the application answered.
    pub answered: Option<StatusCode>,
    /// The answer is being stored.
    pub stored: bool,
    /// It shared another request's answer.
    pub collapsed: bool,
    /// Seconds of freshness left.
    pub ttl: Option<i64>,
    /// More words.
    pub detail: Option<&'static str>,
}

impl Change for &Note {
    fn apply(self, fields: &mut impl Fields) {
        self.write(fields);
    }
}

impl Note {
    /// It went to the application.
    #[must_use]
    pub fn forwarded(why: Forwarded) -> Self {
        Self {
            forwarded: Some(why),
            ..Self::default()
        }
    }

    /// One word for logs.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self.forwarded {
            None if self.ttl.is_some_and(|ttl| ttl <= 0) => "stale-hit",
            None => "hit",
            Some(why) if self.collapsed => match why {
                Forwarded::Stale => "collapsed-stale",
                _ => "collapsed",
            },
            Some(why) => why.name(),
        }
    }

    /// Adds the field to an answer, after those of caches nearer to the application.
    pub fn write(&self, fields: &mut impl Fields) {
        if let Ok(value) = HeaderValue::from_maybe_shared(Bytes::from(self.text())) {
            fields.add(&CACHE_STATUS, &value);
        }
    }

    fn text(&self) -> Vec<u8> {
        let mut text = Vec::with_capacity(64);
        let mut word = |word: &str, value: &str, number: Option<u64>| {
            text.extend_from_slice(word.as_bytes());
            text.extend_from_slice(value.as_bytes());
            if let Some(number) = number {
                decimal(&mut text, number);
            }
        };
        word("kiuas", if self.hit { "; hit" } else { "" }, None);
        if let Some(why) = self.forwarded {
            word("; fwd=", why.name(), None);
        }
        if let Some(status) = self.answered {
            word("; fwd-status=", status.as_str(), None);
        }
        if let Some(ttl) = self.ttl {
            let sign = if ttl < 0 { "-" } else { "" };
            word("; ttl=", sign, Some(ttl.unsigned_abs()));
        }
        if self.stored {
            word("; stored", "", None);
        }
        if self.collapsed {
            word("; collapsed", "", None);
        }
        if let Some(detail) = self.detail {
            word("; detail=", detail, None);
        }
        text
    }
}
