//! A stored answer: immutable, shared by all threads. A newer one takes its place.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use http::header::{
    AGE, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, DATE, ETAG, HeaderName, LAST_MODIFIED,
};
use http::{HeaderMap, HeaderValue, StatusCode};

use super::date;
use super::key::Key;
use super::policy::{Lifetime, Storable, X_ACCEL_EXPIRES};
use super::vary::Selection;
use crate::files::Source;
use crate::lines::Lines;

/// Words of the application to purge by.
pub const SURROGATE_KEY: HeaderName = HeaderName::from_static("surrogate-key");
/// More tags of one answer are ignored.
const MOST_TAGS: usize = 256;
/// What an entry costs beside its bytes.
const OVERHEAD: u64 = 1024;
/// An open file costs a descriptor, which is scarcer than memory.
const OPEN_FILE: u64 = 64 * 1024;

/// The body of a stored answer.
#[derive(Debug, Clone)]
pub enum Content {
    /// In memory.
    Memory(Bytes),
    /// Part of a file.
    File {
        /// The file.
        file: Arc<Source>,
        /// Where the body begins.
        offset: u64,
        /// Its length.
        length: u64,
    },
}

impl Content {
    /// In bytes.
    #[must_use]
    pub fn length(&self) -> u64 {
        match self {
            Self::Memory(bytes) => u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            Self::File { length, .. } => *length,
        }
    }
}

/// The head of a stored answer.
#[derive(Debug, Clone)]
pub struct Head {
    /// Its status.
    pub status: StatusCode,
    /// Its fields, without those of one connection, `Age`, what is withheld and what is for us alone.
    pub headers: HeaderMap,
    /// How long it may be used.
    pub lifetime: Lifetime,
    /// For which requests.
    pub selection: Selection,
    /// To purge by.
    pub tags: Vec<Box<str>>,
}

impl Head {
    /// Of an answer as it came (fields of one connection are gone already).
    #[must_use]
    pub fn new(status: StatusCode, answer: &HeaderMap, storable: Storable) -> Self {
        let mut headers = answer.clone();
        let tags = take_tags(&mut headers);
        headers.remove(AGE);
        headers.remove(X_ACCEL_EXPIRES);
        for name in &storable.withheld {
            headers.remove(name);
        }
        if !headers.contains_key(DATE) {
            insert_date(&mut headers, storable.lifetime.since);
        }
        Self {
            status,
            headers,
            lifetime: storable.lifetime,
            selection: storable.selection,
            tags,
        }
    }

    /// The fields that a 304 (or a HEAD) brings take the place of the stored ones (RFC 9111 3.2). What
    /// belongs to the stored body stays.
    #[must_use]
    pub fn merged(&self, newer: &HeaderMap) -> HeaderMap {
        let mut headers = self.headers.clone();
        for name in newer.keys() {
            if [CONTENT_LENGTH, CONTENT_ENCODING, CONTENT_RANGE].contains(name) {
                continue;
            }
            headers.remove(name);
            for value in newer.get_all(name) {
                headers.append(name.clone(), value.clone());
            }
        }
        if !newer.contains_key(DATE) {
            headers.remove(DATE);
        }
        headers
    }
}

fn insert_date(headers: &mut HeaderMap, milliseconds: u64) {
    if let Ok(value) = HeaderValue::from_str(&date::format(milliseconds)) {
        headers.insert(DATE, value);
    }
}

/// The words of `Surrogate-Key`, which no visitor sees.
pub fn take_tags(headers: &mut HeaderMap) -> Vec<Box<str>> {
    let tags = headers
        .get_all(&SURROGATE_KEY)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(str::split_ascii_whitespace)
        .take(MOST_TAGS)
        .map(Box::from)
        .collect();
    headers.remove(&SURROGATE_KEY);
    tags
}

/// A stored answer.
#[derive(Debug)]
pub struct Entry {
    /// Under what.
    pub key: Key,
    /// Its head.
    pub head: Head,
    /// The fields of the head, ready to be written.
    pub lines: Lines,
    /// Its body.
    pub content: Content,
    /// Its `Last-Modified`, in seconds.
    pub modified: Option<u64>,
    purged: AtomicBool,
}

impl Entry {
    /// Its length becomes known here.
    #[must_use]
    pub fn new(key: Key, mut head: Head, content: Content) -> Self {
        if head.status != StatusCode::NO_CONTENT {
            head.headers
                .insert(CONTENT_LENGTH, HeaderValue::from(content.length()));
        }
        Self {
            modified: date::field(&head.headers, &LAST_MODIFIED),
            lines: Lines::of(&head.headers),
            key,
            head,
            content,
            purged: AtomicBool::new(false),
        }
    }

    /// Its entity tag.
    #[must_use]
    pub fn etag(&self) -> Option<&HeaderValue> {
        self.head.headers.get(ETAG)
    }

    /// True if the application can be asked whether it still holds.
    #[must_use]
    pub fn has_validator(&self) -> bool {
        self.etag().is_some() || self.head.headers.contains_key(LAST_MODIFIED)
    }

    /// From now on it is stale.
    pub fn expire(&self) {
        self.purged.store(true, Ordering::Relaxed);
    }

    /// Marked stale by a purge.
    #[must_use]
    pub fn is_expired(&self) -> bool {
        self.purged.load(Ordering::Relaxed)
    }

    /// Fresh at `now`.
    #[must_use]
    pub fn is_fresh(&self, now: u64) -> bool {
        self.head.lifetime.is_fresh(now) && !self.is_expired()
    }

    /// It may be used stale while it is validated.
    #[must_use]
    pub fn allows_while_revalidate(&self, now: u64) -> bool {
        let lifetime = &self.head.lifetime;
        lifetime.allows_while_revalidate(now)
            && (!self.is_expired() || lifetime.while_revalidate > 0)
    }

    /// It may be used stale when the application fails.
    #[must_use]
    pub fn allows_if_error(&self, now: u64) -> bool {
        let lifetime = &self.head.lifetime;
        lifetime.allows_if_error(now) && (!self.is_expired() || lifetime.if_error > 0)
    }

    /// What it counts for in the memory tier, in bytes.
    #[must_use]
    pub fn weight(&self) -> u64 {
        let fields: usize = self
            .head
            .headers
            .iter()
            .map(|(name, value)| name.as_str().len() + value.len() + 64)
            .sum();
        let body = match &self.content {
            Content::Memory(bytes) => u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            Content::File { .. } => OPEN_FILE,
        };
        let rest = fields + self.lines.size() + self.key.as_str().len();
        body + OVERHEAD + u64::try_from(rest).unwrap_or(u64::MAX / 2)
    }
}
