//! The answer for a file: 200, 206, 304, 412 or 416; and for a directory.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, LOCATION,
    RANGE, VARY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderValue, Method, Response, StatusCode};

use super::Wanted;
use super::body::{FileBody, Segment};
use super::conditional::{self, Outcome};
use super::entry::{Entry, Variant};
use super::range::{Asked, Span, parse};
use crate::answer::Answer;
use crate::body::Outbound;
use crate::fault::Fault;
use crate::lines::{Fields, Lines};

/// The answer for `entry`; `None` if it is not what lies on the disk any more.
pub(super) fn file(entry: &Entry, wanted: &Wanted<'_>) -> Option<Result<Answer<Outbound>, Fault>> {
    let variant = entry.choose(wanted.headers);
    // From memory goes out what was true when it was read. What is read from the open file now must
    // still be what the tag says.
    if variant.source.content().is_none() && !variant.source.is_unchanged() {
        return None;
    }
    Some(answer(entry, variant, wanted))
}

fn answer(
    entry: &Entry,
    variant: &Variant,
    wanted: &Wanted<'_>,
) -> Result<Answer<Outbound>, Fault> {
    match conditional::check(wanted.headers, &variant.tag, entry.modified) {
        Outcome::Failed => return Err(Fault::PreconditionFailed),
        Outcome::NotModified => {
            let fields = variant.kept.clone();
            return Ok(Answer::lined(
                StatusCode::NOT_MODIFIED,
                fields,
                Outbound::empty(),
            ));
        }
        Outcome::Send => {}
    }
    Ok(match asked(entry, variant, wanted) {
        Asked::All => whole(variant, wanted),
        Asked::Nothing => nothing(variant),
        Asked::Spans(spans) => partial(variant, wanted, &spans),
    })
}

/// A directory was asked for without the `/` at its end: relative links in its index need it.
pub(super) fn to_directory(path: &str, query: Option<&str>) -> Response<Outbound> {
    // `//host/` would lead to another host.
    let path = path.trim_matches('/');
    let to = match query {
        Some(query) => format!("/{path}/?{query}"),
        None => format!("/{path}/"),
    };
    let mut response = Response::new(Outbound::empty());
    *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
    if let Ok(to) = HeaderValue::from_str(&to) {
        response.headers_mut().insert(LOCATION, to);
    }
    response
}

/// A page with the names in a directory.
pub(super) fn listing(page: Bytes, method: &Method) -> Response<Outbound> {
    let mut response = Response::new(Outbound::empty());
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/html; charset=utf-8"),
    );
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(page.len()));
    if method != Method::HEAD {
        *response.body_mut() = Outbound::full(page);
    }
    response
}

/// RFC 9110 14.2: ranges are for GET alone.
fn asked(entry: &Entry, variant: &Variant, wanted: &Wanted<'_>) -> Asked {
    let mut ranges = wanted.headers.get_all(RANGE).iter();
    let (Some(range), None) = (ranges.next(), ranges.next()) else {
        return Asked::All;
    };
    let counts = wanted.method == Method::GET
        && conditional::range_counts(wanted.headers, &variant.tag, entry.modified);
    match range.to_str() {
        Ok(text) if counts => parse(text, variant.source.length()),
        _ => Asked::All,
    }
}

fn whole(variant: &Variant, wanted: &Wanted<'_>) -> Answer<Outbound> {
    let length = variant.source.length();
    let body = match length.checked_sub(1) {
        Some(last) if wanted.method != Method::HEAD => body(variant, Span { first: 0, last }),
        _ => Outbound::empty(),
    };
    Answer::lined(StatusCode::OK, variant.whole.clone(), body)
}

/// What is in memory alone goes out as memory.
fn body(variant: &Variant, span: Span) -> Outbound {
    let source = &variant.source;
    match source.slice(span) {
        Some(bytes) if source.descriptor().is_none() => Outbound::full(bytes),
        _ => file_body(variant, [Segment::File(span)]),
    }
}

fn file_body(variant: &Variant, segments: impl IntoIterator<Item = Segment>) -> Outbound {
    let source = Arc::clone(&variant.source);
    Outbound::File(Box::new(FileBody::new(source, segments)))
}

fn nothing(variant: &Variant) -> Answer<Outbound> {
    let mut fields = Lines::new();
    for (name, value) in variant.whole.iter() {
        if [ACCEPT_RANGES, VARY, ETAG]
            .iter()
            .any(|kept| name == kept.as_str().as_bytes())
        {
            fields.push(name, value);
        }
    }
    let range = format!("bytes */{}", variant.source.length());
    fields.set_text(&CONTENT_RANGE, range.as_bytes());
    Answer::lined(StatusCode::RANGE_NOT_SATISFIABLE, fields, Outbound::empty())
}

fn partial(variant: &Variant, wanted: &Wanted<'_>, spans: &[Span]) -> Answer<Outbound> {
    let length = variant.source.length();
    let range = |span: &Span| format!("bytes {}-{}/{length}", span.first, span.last);
    let mut fields = variant.whole.clone();
    if let [span] = spans {
        fields.set_text(&CONTENT_RANGE, range(span).as_bytes());
        fields.set(&CONTENT_LENGTH, &HeaderValue::from(span.length()));
        return Answer::lined(StatusCode::PARTIAL_CONTENT, fields, body(variant, *span));
    }
    let boundary = format!("{:032x}", rand::random::<u128>());
    let media_type = wanted.media_type.unwrap_or(&variant.media_type);
    let segments = multipart(spans, &boundary, media_type, range);
    let total: u64 = segments.iter().map(Segment::length).sum();
    let multipart = format!("multipart/byteranges; boundary={boundary}");
    fields.set_text(&CONTENT_TYPE, multipart.as_bytes());
    fields.set(&CONTENT_LENGTH, &HeaderValue::from(total));
    let body = file_body(variant, segments);
    Answer::lined(StatusCode::PARTIAL_CONTENT, fields, body)
}

/// The parts (RFC 9110 14.6).
fn multipart(
    spans: &[Span],
    boundary: &str,
    media_type: &HeaderValue,
    range: impl Fn(&Span) -> String,
) -> Vec<Segment> {
    let media_type = media_type.to_str().unwrap_or("application/octet-stream");
    let mut segments = Vec::with_capacity(spans.len() * 2 + 1);
    for (index, span) in spans.iter().enumerate() {
        let line = if index == 0 { "" } else { "\r\n" };
        segments.push(Segment::Memory(Bytes::from(format!(
            "{line}--{boundary}\r\nContent-Type: {media_type}\r\nContent-Range: {}\r\n\r\n",
            range(span)
        ))));
        segments.push(Segment::File(*span));
    }
    segments.push(Segment::Memory(Bytes::from(format!(
        "\r\n--{boundary}--\r\n"
    ))));
    segments
}
