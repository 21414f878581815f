//! The head of an application's answer: parsed strictly, freed of what belongs to the connection.

use std::mem::MaybeUninit;

use bytes::Bytes;
use http::header::{
    CONNECTION, CONTENT_LENGTH, HeaderName, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE,
    TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::lane;

/// Largest head: as bounded as a request's, with room for many cookies.
pub(super) const MOST_HEAD: usize = 64 * 1024;
/// Most fields of a head or a trailer section.
pub(super) const MOST_FIELDS: usize = 256;
/// So many digits always fit.
const MOST_LENGTH_DIGITS: usize = 18;

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
/// nginx's word for an answer that must not be held back. We never hold one back.
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// What is wrong with an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadAnswer {
    /// It does not begin with a status line, or a field is malformed (folded, a control character).
    #[error("the head is no HTTP/1")]
    Head,
    /// A line ends without CR LF.
    #[error("a line ends without CR LF")]
    LineEnd,
    /// More than 64 KiB or 256 fields.
    #[error("the head is too large")]
    LargeHead,
    /// `Content-Length` is no number.
    #[error("`Content-Length` is no number")]
    Length,
    /// `Content-Length` more than once.
    #[error("`Content-Length` more than once")]
    SeveralLengths,
    /// `Content-Length` and `Transfer-Encoding`.
    #[error("both `Content-Length` and `Transfer-Encoding`")]
    LengthAndCoding,
    /// `Transfer-Encoding` is not exactly `chunked`, or stands in HTTP/1.0.
    #[error("`Transfer-Encoding` is not `chunked`")]
    Coding,
    /// A chunk is malformed.
    #[error("a chunk is malformed")]
    Chunk,
    /// The trailer section is malformed or too large.
    #[error("the trailers are malformed")]
    Trailer,
    /// 101 without having been asked, or to another protocol.
    #[error("it switches to a protocol that nobody asked for")]
    Upgrade,
    /// Interim answers without end.
    #[error("too many interim answers")]
    Interim,
    /// It ends in its middle.
    #[error("it breaks off")]
    Truncated,
}

/// What the framing of an answer depends on beside its head.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Asked {
    /// By HEAD: there is no body.
    pub head: bool,
    /// For a WebSocket: 101 is an answer.
    pub upgrade: bool,
}

/// How a body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// There is none.
    Empty,
    /// After so many bytes.
    Length(u64),
    /// With the last chunk.
    Chunked,
    /// With the connection.
    UntilClose,
}

/// A parsed head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnswerHead {
    /// The status.
    pub status: StatusCode,
    /// The fields, without those of the connection (RFC 9110 7.6.1) and `X-Accel-Buffering`.
    pub headers: HeaderMap,
    /// Where the answer ends.
    pub framing: Framing,
    /// The connection may carry another request afterwards.
    pub reusable: bool,
}

/// Where the head at the front of `bytes` ends: the number of its bytes with the empty line, `None` if
/// more is needed. `searched` bytes were looked at before.
pub(super) fn end(bytes: &[u8], searched: &mut usize) -> Result<Option<usize>, BadAnswer> {
    const BEGINNING: &[u8] = b"HTTP/1.";
    let known = bytes.len().min(BEGINNING.len());
    if bytes.get(..known) != BEGINNING.get(..known) {
        return Err(BadAnswer::Head);
    }
    let unseen = bytes.get(*searched..).unwrap_or_default();
    for at in memchr::memchr_iter(b'\n', unseen) {
        let at = *searched + at;
        let line = bytes.get(..at).unwrap_or_default();
        if !line.ends_with(b"\r") {
            return Err(BadAnswer::LineEnd);
        }
        if line.ends_with(b"\r\n\r") {
            return if at < MOST_HEAD {
                Ok(Some(at + 1))
            } else {
                Err(BadAnswer::LargeHead)
            };
        }
    }
    *searched = bytes.len();
    if bytes.len() > MOST_HEAD {
        return Err(BadAnswer::LargeHead);
    }
    Ok(None)
}

/// Reads a whole head.
pub(super) fn parse(head: &Bytes, asked: Asked) -> Result<AnswerHead, BadAnswer> {
    let mut fields = [const { MaybeUninit::uninit() }; MOST_FIELDS];
    let mut response = httparse::Response::new(&mut []);
    let parsed = httparse::ParserConfig::default()
        .parse_response_with_uninit_headers(&mut response, head, &mut fields)
        .map_err(|error| match error {
            httparse::Error::TooManyHeaders => BadAnswer::LargeHead,
            _ => BadAnswer::Head,
        })?;
    // The whole head was given, so it cannot be partial unless it is malformed.
    if parsed.is_partial() {
        return Err(BadAnswer::Head);
    }
    let status = response
        .code
        .and_then(|code| StatusCode::from_u16(code).ok())
        .ok_or(BadAnswer::Head)?;
    let old = response.version == Some(0);
    let mut notes = Notes::default();
    let mut headers = lane::map();
    headers.reserve(response.headers.len());
    for field in response.headers.iter() {
        let (name, value) = own(head, field)?;
        if !notes.take(&name, &value)? {
            headers.append(name, value);
        }
    }
    notes.finish(status, old, asked, headers)
}

/// The field as slices of `head`.
fn own(head: &Bytes, field: &httparse::Header<'_>) -> Result<(HeaderName, HeaderValue), BadAnswer> {
    let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| BadAnswer::Head)?;
    let value = if field.value.is_empty() {
        Bytes::new()
    } else {
        head.slice_ref(field.value)
    };
    let value = HeaderValue::from_maybe_shared(value).map_err(|_| BadAnswer::Head)?;
    Ok((name, value))
}

/// What the fields of the connection say.
#[derive(Debug, Default)]
struct Notes {
    length: Option<u64>,
    coded: bool,
    close: bool,
    keep_alive: bool,
    websocket: bool,
    listed: Vec<HeaderName>,
}

impl Notes {
    /// Looks at a field; true if it stays here.
    fn take(&mut self, name: &HeaderName, value: &HeaderValue) -> Result<bool, BadAnswer> {
        if *name == CONTENT_LENGTH {
            let length = length(value.as_bytes())?;
            if self.length.replace(length).is_some() {
                return Err(BadAnswer::SeveralLengths);
            }
            return Ok(false);
        }
        if *name == TRANSFER_ENCODING {
            if self.coded || !value.as_bytes().eq_ignore_ascii_case(b"chunked") {
                return Err(BadAnswer::Coding);
            }
            self.coded = true;
            return Ok(true);
        }
        if *name == CONNECTION {
            self.connection(value.as_bytes());
            return Ok(true);
        }
        if *name == UPGRADE {
            self.websocket |= value.as_bytes().eq_ignore_ascii_case(b"websocket");
            return Ok(true);
        }
        Ok([TE, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION].contains(name)
            || [KEEP_ALIVE, PROXY_CONNECTION, X_ACCEL_BUFFERING].contains(name))
    }

    fn connection(&mut self, value: &[u8]) {
        for option in value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
            if option.eq_ignore_ascii_case(b"close") {
                self.close = true;
            } else if option.eq_ignore_ascii_case(b"keep-alive") {
                self.keep_alive = true;
            } else if let Ok(name) = HeaderName::from_bytes(option) {
                self.listed.push(name);
            }
        }
    }

    /// RFC 9112 6.3: how long the body is.
    fn finish(
        self,
        status: StatusCode,
        old: bool,
        asked: Asked,
        mut headers: HeaderMap,
    ) -> Result<AnswerHead, BadAnswer> {
        for name in &self.listed {
            headers.remove(name);
        }
        if self.coded && self.length.is_some() {
            return Err(BadAnswer::LengthAndCoding);
        }
        if self.coded && old {
            return Err(BadAnswer::Coding);
        }
        if status == StatusCode::SWITCHING_PROTOCOLS && !(asked.upgrade && self.websocket) {
            return Err(BadAnswer::Upgrade);
        }
        let never = status.is_informational() || status == StatusCode::NO_CONTENT;
        if never {
            // RFC 9110 8.6: such an answer has no length.
            headers.remove(CONTENT_LENGTH);
        }
        let framing = if never || status == StatusCode::NOT_MODIFIED || asked.head {
            Framing::Empty
        } else {
            match self.length {
                Some(0) => Framing::Empty,
                Some(length) => Framing::Length(length),
                None if self.coded => Framing::Chunked,
                None => Framing::UntilClose,
            }
        };
        // A body where none may be would be read as the next answer.
        let strange = never && (self.coded || self.length.is_some_and(|length| length > 0));
        let persistent = if old { self.keep_alive } else { !self.close };
        Ok(AnswerHead {
            status,
            headers,
            framing,
            reusable: persistent && !self.close && !strange && framing != Framing::UntilClose,
        })
    }
}

/// RFC 9110 8.6: digits, nothing else (no sign, no list).
fn length(value: &[u8]) -> Result<u64, BadAnswer> {
    let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    if !digits || value.len() > MOST_LENGTH_DIGITS {
        return Err(BadAnswer::Length);
    }
    Ok(value
        .iter()
        .fold(0_u64, |sum, digit| sum * 10 + u64::from(digit - b'0')))
}
