//! The answer for an open file: 200, 206, 304, 412 or 416.

use std::path::Path;

use bytes::Bytes;
use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, LAST_MODIFIED,
    LOCATION, RANGE, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};

use super::body::{FileBody, Segment};
use super::conditional::{self, Outcome};
use super::etag;
use super::open::{OpenFile, seconds};
use super::range::{Asked, Span, parse};
use crate::body::Outbound;
use crate::fault::Fault;
use crate::plan::Files;

pub(super) fn file(
    file: OpenFile,
    files: &Files,
    method: &Method,
    headers: &HeaderMap,
) -> Result<Response<Outbound>, Fault> {
    let tag = etag::of(file.length, file.modified_nanoseconds);
    let modified = seconds(file.modified);
    let media_type = media_type(&file.name);
    let mut response = Response::new(Outbound::empty());
    let own = response.headers_mut();
    own.insert(ETAG, value(&tag)?);
    own.insert(LAST_MODIFIED, value(&httpdate::fmt_http_date(modified))?);
    if let Some(cache_control) = &files.cache_control {
        own.insert(CACHE_CONTROL, cache_control.clone());
    }
    match conditional::check(headers, &tag, modified) {
        Outcome::Failed => return Err(Fault::PreconditionFailed),
        Outcome::NotModified => {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            return Ok(response);
        }
        Outcome::Send => {}
    }
    own.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    own.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let counts = method == Method::GET && conditional::range_counts(headers, &tag, modified);
    match asked(headers, counts, file.length) {
        Asked::All => {
            own.insert(CONTENT_TYPE, value(&media_type)?);
            fill(&mut response, method, whole(file));
        }
        Asked::Nothing => {
            *response.status_mut() = StatusCode::RANGE_NOT_SATISFIABLE;
            let range = format!("bytes */{}", file.length);
            response.headers_mut().insert(CONTENT_RANGE, value(&range)?);
        }
        Asked::Spans(spans) => {
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            partial(&mut response, method, file, &spans, &media_type)?;
        }
    }
    Ok(response)
}

/// A directory was asked for without the `/` at its end: relative links in its index need it.
pub(super) fn to_directory(path: &str) -> Response<Outbound> {
    // `//host/` would lead to another host.
    let to = format!("/{}/", path.trim_matches('/'));
    let mut response = Response::new(Outbound::empty());
    *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
    if let Ok(to) = HeaderValue::from_str(&to) {
        response.headers_mut().insert(LOCATION, to);
    }
    response
}

fn asked(headers: &HeaderMap, counts: bool, length: u64) -> Asked {
    let mut ranges = headers.get_all(RANGE).iter();
    match (counts, ranges.next(), ranges.next()) {
        (true, Some(range), None) => range
            .to_str()
            .map_or(Asked::All, |text| parse(text, length)),
        _ => Asked::All,
    }
}

fn partial(
    response: &mut Response<Outbound>,
    method: &Method,
    file: OpenFile,
    spans: &[Span],
    media_type: &str,
) -> Result<(), Fault> {
    let length = file.length;
    let range = |span: &Span| format!("bytes {}-{}/{length}", span.first, span.last);
    let headers = response.headers_mut();
    if let [span] = spans {
        headers.insert(CONTENT_TYPE, value(media_type)?);
        headers.insert(CONTENT_RANGE, value(&range(span))?);
        let body = FileBody::new(file.file, [Segment::File(*span)]);
        fill(response, method, Content::File(body));
        return Ok(());
    }
    let boundary = format!("{:032x}", rand::random::<u128>());
    headers.insert(
        CONTENT_TYPE,
        value(&format!("multipart/byteranges; boundary={boundary}"))?,
    );
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
    fill(
        response,
        method,
        Content::File(FileBody::new(file.file, segments)),
    );
    Ok(())
}

enum Content {
    Memory(Bytes),
    File(FileBody),
}

fn whole(file: OpenFile) -> Content {
    match file.content {
        Some(content) => Content::Memory(content),
        None => Content::File(FileBody::new(
            file.file,
            [Segment::File(Span {
                first: 0,
                last: file.length.saturating_sub(1),
            })],
        )),
    }
}

/// Sets the length, and the body unless only the head was asked for.
fn fill(response: &mut Response<Outbound>, method: &Method, content: Content) {
    let length = match &content {
        Content::Memory(bytes) => u64::try_from(bytes.len()).unwrap_or(u64::MAX),
        Content::File(body) => body.length(),
    };
    response
        .headers_mut()
        .insert(CONTENT_LENGTH, HeaderValue::from(length));
    if method != Method::HEAD {
        *response.body_mut() = match content {
            Content::Memory(bytes) => Outbound::full(bytes),
            Content::File(body) => Outbound::File(Box::new(body)),
        };
    }
}

/// By the name's extension. Text is UTF-8 here.
fn media_type(name: &Path) -> String {
    let guess = mime_guess::from_path(name)
        .first_raw()
        .unwrap_or("application/octet-stream");
    let text = guess.starts_with("text/")
        || [
            "application/javascript",
            "application/json",
            "image/svg+xml",
        ]
        .contains(&guess);
    if text {
        format!("{guess}; charset=utf-8")
    } else {
        guess.to_owned()
    }
}

/// Everything given here is ASCII; a failure would be our own.
fn value(text: &str) -> Result<HeaderValue, Fault> {
    HeaderValue::from_str(text).map_err(|_| Fault::Internal)
}
