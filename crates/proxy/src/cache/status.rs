//! `Cache-Status` (RFC 9211): what the cache did with a request.

use std::fmt;

use bytes::Bytes;
use http::header::HeaderName;
use http::{HeaderMap, HeaderValue, StatusCode};

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
    pub fn write(&self, headers: &mut HeaderMap) {
        if let Ok(value) = HeaderValue::from_maybe_shared(Bytes::from(self.to_string())) {
            headers.append(CACHE_STATUS, value);
        }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("kiuas")?;
        if self.hit {
            f.write_str("; hit")?;
        }
        if let Some(why) = self.forwarded {
            write!(f, "; fwd={}", why.name())?;
        }
        if let Some(status) = self.answered {
            write!(f, "; fwd-status={}", status.as_u16())?;
        }
        if let Some(ttl) = self.ttl {
            write!(f, "; ttl={ttl}")?;
        }
        if self.stored {
            f.write_str("; stored")?;
        }
        if self.collapsed {
            f.write_str("; collapsed")?;
        }
        if let Some(detail) = self.detail {
            write!(f, "; detail={detail}")?;
        }
        Ok(())
    }
}
