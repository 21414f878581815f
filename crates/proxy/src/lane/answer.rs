//! The head of an answer: how its body is framed, and the bytes (RFC 9112 6 and 9110 8.6, 9.3.2,
//! 15.3.5, 15.4.5). As hyper does it, so that nobody can tell the two ways apart.

use http::{HeaderName, StatusCode};
use hyper::body::Body;
use hyper::ext::ReasonPhrase;

use crate::clock;
use crate::lines::Fields;
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

/// What decides how the body follows, beside the fields.
#[derive(Debug)]
pub(super) struct Kind {
    status: StatusCode,
    asked: Asked,
    /// The body is at its end already.
    empty: bool,
    /// The length of one that is not, if it is known.
    known: Option<u64>,
}

impl Kind {
    pub(super) fn new(status: StatusCode, body: &Recorded, asked: Asked) -> Self {
        let empty = body.is_end_stream();
        Self {
            status,
            asked,
            empty,
            known: body.size_hint().exact().filter(|_| !empty),
        }
    }

    fn has_body(&self) -> bool {
        !self.asked.is_head && may_have_body(self.status)
    }
}

/// Writes the head of an answer to `out`; how the body follows, and whether the connection ends.
pub(super) fn write_head(
    kind: &Kind,
    phrase: Option<&ReasonPhrase>,
    fields: &impl Fields,
    out: &mut Vec<u8>,
) -> (Framing, bool) {
    status_line(kind.status, phrase, out);
    let mut seen = Seen::default();
    fields.write(out, |name, value| seen.keeps(kind, name, value));
    let close = kind.asked.close || seen.close;
    if close && !seen.close {
        line(out, b"connection", b"close");
    }
    let dated = seen.dated;
    let framing = seen.framing(kind, out);
    if !dated {
        line(out, b"date", &clock::date());
    }
    out.extend_from_slice(b"\r\n");
    (
        if kind.has_body() {
            framing
        } else {
            Framing::None
        },
        close,
    )
}

/// What the fields say about the framing.
#[derive(Debug, Default)]
struct Seen {
    length: Option<u64>,
    close: bool,
    dated: bool,
    trailers: Vec<HeaderName>,
}

impl Seen {
    /// Looks at a field, its name in lower case; true if it is written.
    fn keeps(&mut self, kind: &Kind, name: &[u8], value: &[u8]) -> bool {
        match name {
            b"content-length" => return self.takes_length(kind, value),
            b"transfer-encoding" => return false,
            b"trailer" if !kind.has_body() => return false,
            // Only whom the visitor wants, and only what the answer has announced (RFC 9110 6.5.1).
            b"trailer" if kind.asked.trailers => self.trailers.extend(
                value
                    .split(|byte| *byte == b',')
                    .filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok()),
            ),
            b"connection" => self.close |= value.eq_ignore_ascii_case(b"close"),
            b"date" => self.dated = true,
            _ => {}
        }
        true
    }

    fn takes_length(&mut self, kind: &Kind, value: &[u8]) -> bool {
        if self.length.is_some() || (kind.empty && !kind.asked.is_head) {
            return false;
        }
        // A length that is no number says nothing.
        self.length = number(value).map(|length| kind.known.unwrap_or(length));
        self.length.is_some()
    }

    /// Writes the field that frames the body, if none was written.
    fn framing(self, kind: &Kind, out: &mut Vec<u8>) -> Framing {
        if let Some(length) = self.length {
            return Framing::Length(length);
        }
        match kind.known {
            _ if kind.empty => {
                if kind.has_body() {
                    line(out, b"content-length", b"0");
                }
                Framing::None
            }
            Some(length) => {
                if may_have_body(kind.status) {
                    out.extend_from_slice(b"content-length: ");
                    decimal(out, length);
                    out.extend_from_slice(b"\r\n");
                }
                Framing::Length(length)
            }
            None if kind.has_body() => {
                line(out, b"transfer-encoding", b"chunked");
                Framing::Chunked(self.trailers)
            }
            None => Framing::None,
        }
    }
}

/// RFC 9110 15.3.5 and 15.4.5.
fn may_have_body(status: StatusCode) -> bool {
    !(status.is_informational()
        || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED))
}

fn status_line(status: StatusCode, phrase: Option<&ReasonPhrase>, out: &mut Vec<u8>) {
    if status == StatusCode::OK && phrase.is_none() {
        out.extend_from_slice(b"HTTP/1.1 200 OK\r\n");
        return;
    }
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(status.as_str().as_bytes());
    out.extend_from_slice(b" ");
    out.extend_from_slice(match phrase {
        Some(phrase) => phrase.as_bytes(),
        None => status.canonical_reason().unwrap_or("<none>").as_bytes(),
    });
    out.extend_from_slice(b"\r\n");
}

pub(super) fn line(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
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
