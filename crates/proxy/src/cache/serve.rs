//! An answer made from a stored one: conditions of the visitor (RFC 9111 4.3.2), ranges, `Age`.

use std::sync::Arc;

use http::header::{
    ACCEPT_RANGES, AGE, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LENGTH, CONTENT_RANGE,
    CONTENT_TYPE, DATE, ETAG, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, LAST_MODIFIED, RANGE,
};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Version};

use super::date;
use super::entry::{Content, Entry, Head};
use super::range::{self, Asked};
use crate::answer::Answer;
use crate::body::Outbound;
use crate::files::FileBody;
use crate::lines::Fields;

/// The answer for `request` from `entry`.
#[must_use]
pub fn answer(entry: &Arc<Entry>, request: &Parts, now: u64) -> Answer<Outbound> {
    // HTTP/2 needs a map of the fields anyway, and there is one.
    if request.version < Version::HTTP_2 && takes_all(&request.headers) {
        return whole(entry, request, now);
    }
    chosen(entry, request, now).into()
}

/// True if the visitor asks for nothing but the answer as it is.
fn takes_all(request: &HeaderMap) -> bool {
    ![IF_NONE_MATCH, IF_MODIFIED_SINCE, RANGE]
        .iter()
        .any(|name| request.contains_key(name))
}

fn whole(entry: &Entry, request: &Parts, now: u64) -> Answer<Outbound> {
    let mut fields = entry.lines.clone();
    fields.add(&AGE, &HeaderValue::from(entry.head.lifetime.age(now)));
    let length = entry.content.length();
    let body = body(request, &entry.content, 0, length);
    Answer::lined(entry.head.status, fields, body)
}

fn chosen(entry: &Arc<Entry>, request: &Parts, now: u64) -> Response<Outbound> {
    let age = entry.head.lifetime.age(now);
    let modified = Validators::of(entry);
    if entry.head.status == StatusCode::OK && modified.is_known_to(&request.headers) {
        return not_modified(&entry.head, age);
    }
    let mut response = head(&entry.head, age);
    let length = entry.content.length();
    match part(entry, &modified, request) {
        Asked::All => *response.body_mut() = body(request, &entry.content, 0, length),
        Asked::Part(first, count) => {
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            let range = format!("bytes {first}-{}/{length}", first + count - 1);
            set_range(response.headers_mut(), &range, count);
            *response.body_mut() = body(request, &entry.content, first, count);
        }
        Asked::Nothing => {
            *response.status_mut() = StatusCode::RANGE_NOT_SATISFIABLE;
            let range = format!("bytes */{length}");
            response.headers_mut().remove(CONTENT_TYPE);
            set_range(response.headers_mut(), &range, 0);
        }
    }
    response
}

/// The head alone, with its age.
#[must_use]
pub fn head(head: &Head, age: u32) -> Response<Outbound> {
    let mut response = Response::new(Outbound::empty());
    *response.status_mut() = head.status;
    *response.headers_mut() = head.headers.clone();
    response.headers_mut().insert(AGE, HeaderValue::from(age));
    response
}

/// What a visitor's conditions are compared with.
#[derive(Debug, Clone, Copy)]
pub struct Validators<'a> {
    etag: Option<&'a HeaderValue>,
    modified: Option<u64>,
    headers: &'a HeaderMap,
}

impl<'a> Validators<'a> {
    fn of(entry: &'a Entry) -> Self {
        Self {
            etag: entry.etag(),
            modified: entry.modified,
            headers: &entry.head.headers,
        }
    }

    /// True if the visitor has this very answer: 304.
    fn is_known_to(&self, request: &HeaderMap) -> bool {
        if request.contains_key(IF_NONE_MATCH) {
            return request
                .get_all(IF_NONE_MATCH)
                .iter()
                .any(|list| self.is_listed(list));
        }
        let since = request
            .contains_key(IF_MODIFIED_SINCE)
            .then(|| date::field(request, &IF_MODIFIED_SINCE))
            .flatten();
        let Some(since) = since else { return false };
        self.modified
            .or_else(|| date::field(self.headers, &DATE))
            .is_some_and(|modified| modified <= since)
    }

    /// Weak comparison (RFC 9110 8.8.3.2) with each tag of a list.
    fn is_listed(&self, list: &HeaderValue) -> bool {
        let list = list.as_bytes().trim_ascii();
        if list == b"*" {
            return true;
        }
        let Some(own) = self.etag else { return false };
        let own = opaque(own.as_bytes());
        tags(list).any(|tag| opaque(tag) == own)
    }

    /// RFC 9110 13.1.5.
    fn range_counts(&self, request: &HeaderMap) -> bool {
        let Some(condition) = request.get(IF_RANGE) else {
            return true;
        };
        let bytes = condition.as_bytes();
        if bytes.starts_with(b"\"") {
            return self.etag.is_some_and(|own| own == condition);
        }
        let date = condition.to_str().ok().and_then(date::parse);
        date.is_some() && date == self.modified
    }
}

fn opaque(tag: &[u8]) -> &[u8] {
    tag.strip_prefix(b"W/").unwrap_or(tag)
}

/// The tags of a list: commas within quotes are part of a tag.
fn tags(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut quoted = false;
    list.split(move |byte| {
        quoted ^= *byte == b'"';
        *byte == b',' && !quoted
    })
    .map(<[u8]>::trim_ascii)
}

fn part(entry: &Entry, validators: &Validators<'_>, request: &Parts) -> Asked {
    let mut ranges = request.headers.get_all(RANGE).iter();
    let counts = request.method == Method::GET && entry.head.status == StatusCode::OK;
    match (ranges.next(), ranges.next()) {
        (Some(range), None) if counts && validators.range_counts(&request.headers) => {
            range.to_str().map_or(Asked::All, |text| {
                range::parse(text, entry.content.length())
            })
        }
        _ => Asked::All,
    }
}

fn set_range(headers: &mut HeaderMap, range: &str, length: u64) {
    if let Ok(value) = HeaderValue::from_str(range) {
        headers.insert(CONTENT_RANGE, value);
    }
    headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
}

fn body(request: &Parts, content: &Content, first: u64, count: u64) -> Outbound {
    if request.method == Method::HEAD || count == 0 {
        return Outbound::empty();
    }
    match content {
        Content::Memory(bytes) => {
            let first = usize::try_from(first).unwrap_or(usize::MAX);
            let end = first.saturating_add(usize::try_from(count).unwrap_or(usize::MAX));
            Outbound::full(bytes.slice(first.min(bytes.len())..end.min(bytes.len())))
        }
        Content::File { file, offset, .. } => {
            let body = FileBody::section(Arc::clone(file), offset + first, count);
            Outbound::File(Box::new(body))
        }
    }
}

/// RFC 9110 15.4.5: without what describes the content.
fn not_modified(stored: &Head, age: u32) -> Response<Outbound> {
    let mut response = head(stored, age);
    *response.status_mut() = StatusCode::NOT_MODIFIED;
    let headers = response.headers_mut();
    for name in [
        CONTENT_LENGTH,
        CONTENT_TYPE,
        CONTENT_ENCODING,
        CONTENT_LANGUAGE,
        CONTENT_RANGE,
        ACCEPT_RANGES,
    ] {
        headers.remove(name);
    }
    if headers.contains_key(ETAG) {
        headers.remove(LAST_MODIFIED);
    }
    response
}
