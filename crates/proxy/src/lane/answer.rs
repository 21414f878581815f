//! The head of an answer: how its body is framed, and the bytes (RFC 9112 6 and 9110 8.6, 9.3.2,
//! 15.3.5, 15.4.5). As hyper does it, so that nobody can tell the two ways apart.

use http::header::{CONNECTION, CONTENT_LENGTH, DATE, TRAILER, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, response};
use hyper::body::Body;
use hyper::ext::ReasonPhrase;

use crate::clock;
use crate::record::Recorded;
use crate::text::decimal;

/// How the body ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Framing {
    /// There is none, whatever the body says.
    None,
    /// After so many bytes.
    Length(u64),
    /// With the last chunk; these trailers may follow.
    Chunked(Vec<HeaderName>),
}

/// What is known about the request when its answer is written.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Asked {
    /// HEAD.
    pub(super) is_head: bool,
    /// `Connection: close`.
    pub(super) close: bool,
    /// `TE: trailers`.
    pub(super) trailers: bool,
}

/// Writes the head of an answer to `out`; how the body follows, and whether the connection ends.
pub(super) fn write_head(
    parts: &response::Parts,
    body: &Recorded,
    asked: Asked,
    out: &mut Vec<u8>,
) -> (Framing, bool) {
    status_line(parts, out);
    let has_body = !asked.is_head && may_have_body(parts.status);
    let empty = body.is_end_stream();
    let known = body.size_hint().exact().filter(|_| !empty);
    let mut framing = None;
    let mut close = asked.close;
    let mut says_close = false;
    let mut dated = false;
    for (name, value) in &parts.headers {
        if name == CONTENT_LENGTH {
            if framing.is_some() || (empty && !asked.is_head) {
                continue;
            }
            // A length that is no number says nothing.
            let Some(length) = number(value) else {
                continue;
            };
            framing = Some(Framing::Length(known.unwrap_or(length)));
        } else if name == TRANSFER_ENCODING || (name == TRAILER && !has_body) {
            continue;
        } else if name == CONNECTION {
            says_close |= value.as_bytes().eq_ignore_ascii_case(b"close");
        } else if name == DATE {
            dated = true;
        }
        line(out, name.as_str().as_bytes(), value.as_bytes());
    }
    close |= says_close;
    if close && !says_close {
        line(out, b"connection", b"close");
    }
    let framing = framing.unwrap_or_else(|| match known {
        _ if empty => {
            if !asked.is_head && may_have_body(parts.status) {
                line(out, b"content-length", b"0");
            }
            Framing::None
        }
        Some(length) => {
            if may_have_body(parts.status) {
                out.extend_from_slice(b"content-length: ");
                decimal(out, length);
                out.extend_from_slice(b"\r\n");
            }
            Framing::Length(length)
        }
        None if has_body => {
            line(out, b"transfer-encoding", b"chunked");
            Framing::Chunked(trailers(&parts.headers, asked))
        }
        None => Framing::None,
    });
    if !dated {
        line(out, b"date", &clock::date());
    }
    out.extend_from_slice(b"\r\n");
    (if has_body { framing } else { Framing::None }, close)
}

/// RFC 9110 15.3.5 and 15.4.5.
fn may_have_body(status: StatusCode) -> bool {
    !(status.is_informational()
        || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED))
}

fn status_line(parts: &response::Parts, out: &mut Vec<u8>) {
    let phrase = parts.extensions.get::<ReasonPhrase>();
    if parts.status == StatusCode::OK && phrase.is_none() {
        out.extend_from_slice(b"HTTP/1.1 200 OK\r\n");
        return;
    }
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(parts.status.as_str().as_bytes());
    out.extend_from_slice(b" ");
    out.extend_from_slice(match phrase {
        Some(phrase) => phrase.as_bytes(),
        None => parts
            .status
            .canonical_reason()
            .unwrap_or("<none>")
            .as_bytes(),
    });
    out.extend_from_slice(b"\r\n");
}

/// Only whom the visitor wants, and only what the answer has announced (RFC 9110 6.5.1).
fn trailers(headers: &HeaderMap, asked: Asked) -> Vec<HeaderName> {
    if !asked.trailers {
        return Vec::new();
    }
    headers
        .get_all(TRAILER)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| HeaderName::from_bytes(name.trim().as_bytes()).ok())
        .collect()
}

pub(super) fn line(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

fn number(value: &HeaderValue) -> Option<u64> {
    let digits = value.as_bytes();
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    value.to_str().ok()?.parse().ok()
}

/// The line before a chunk of `length` bytes.
pub(super) fn chunk_line(out: &mut Vec<u8>, length: usize) {
    let digits = usize::BITS / 4;
    let mut begun = false;
    for place in (0..digits).rev() {
        let digit = (length >> (place * 4)) & 0xf;
        begun |= digit != 0 || place == 0;
        if begun {
            out.push(b"0123456789abcdef".get(digit).copied().unwrap_or(b'0'));
        }
    }
    out.extend_from_slice(b"\r\n");
}
