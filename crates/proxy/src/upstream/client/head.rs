//! The head of an application's answer: parsed strictly, freed of what belongs to the connection.

use std::ops::Range;

use http::StatusCode;

use crate::line::{self, BareFeed};
use crate::lines::Lines;

/// Largest head: as bounded as a request's, with room for many cookies.
pub(super) const MOST_HEAD: usize = 64 * 1024;
/// Most fields of a head or a trailer section.
pub(super) const MOST_FIELDS: usize = 256;
/// So many digits always fit.
const MOST_LENGTH_DIGITS: usize = 18;
const BEGINNING: &[u8] = b"HTTP/1.";

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
    pub fields: Lines,
    /// Where the answer ends.
    pub framing: Framing,
    /// The connection may carry another request afterwards.
    pub reusable: bool,
}

/// Where the head at the front of `bytes` ends: the number of its bytes with the empty line, `None` if
/// more is needed. `searched` bytes were looked at before.
pub(super) fn end(bytes: &[u8], searched: &mut usize) -> Result<Option<usize>, BadAnswer> {
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

/// Reads the head at the front of `bytes`; its length, or `None` if it has no end yet.
pub(super) fn parse(bytes: &[u8], asked: Asked) -> Result<Option<(AnswerHead, usize)>, BadAnswer> {
    let Some((first, mut at)) = line(bytes, 0)? else {
        return Ok(None);
    };
    let first = bytes.get(first).unwrap_or_default();
    let (status, old) = status_line(first).ok_or(BadAnswer::Head)?;
    let mut notes = Notes::default();
    let mut fields = Lines::new();
    let mut count = 0;
    loop {
        let Some((place, next)) = line(bytes, at)? else {
            return Ok(None);
        };
        at = next;
        if place.is_empty() {
            break;
        }
        count += 1;
        if count > MOST_FIELDS {
            return Err(BadAnswer::LargeHead);
        }
        let text = bytes.get(place.clone()).unwrap_or_default();
        let found = line::field(text).ok_or(BadAnswer::Head)?;
        let value = text.get(found.value.clone()).unwrap_or_default();
        if found.is_plain_in(text) {
            let whole = bytes.get(place.start..next).unwrap_or_default();
            fields.push_line(whole, found.name);
        } else {
            fields.push(text.get(..found.name).unwrap_or_default(), value);
        }
        if notes.take(fields.last_name(), value)? {
            fields.pop();
        }
    }
    if at > MOST_HEAD {
        return Err(BadAnswer::LargeHead);
    }
    let head = notes.finish(status, old, asked, fields)?;
    Ok(Some((head, at)))
}

fn line(bytes: &[u8], start: usize) -> Result<Option<(Range<usize>, usize)>, BadAnswer> {
    line::next(bytes, start).map_err(|BareFeed| BadAnswer::LineEnd)
}

/// `HTTP/1.1 200 OK` (RFC 9112 4); the phrase may be missing. True for HTTP/1.0.
fn status_line(line: &[u8]) -> Option<(StatusCode, bool)> {
    let (minor, rest) = line.strip_prefix(BEGINNING)?.split_first()?;
    let (code, phrase) = rest.strip_prefix(b" ")?.split_at_checked(3)?;
    let old = match minor {
        b'0' => true,
        b'1' => false,
        _ => return None,
    };
    let phrase_is_text = match phrase {
        [] => true,
        [b' ', text @ ..] => line::is_field_value(text),
        _ => false,
    };
    let status = StatusCode::from_bytes(code).ok()?;
    phrase_is_text.then_some((status, old))
}

/// What the fields of the connection say.
#[derive(Debug, Default)]
struct Notes {
    length: Option<u64>,
    coded: bool,
    close: bool,
    keep_alive: bool,
    websocket: bool,
    listed: Vec<Box<[u8]>>,
}

impl Notes {
    /// Looks at a field, its name in lower case; true if it stays here (RFC 9110 7.6.1).
    fn take(&mut self, name: &[u8], value: &[u8]) -> Result<bool, BadAnswer> {
        match name {
            b"content-length" => {
                if self.length.replace(length(value)?).is_some() {
                    return Err(BadAnswer::SeveralLengths);
                }
                return Ok(false);
            }
            b"transfer-encoding" => {
                if self.coded || !value.eq_ignore_ascii_case(b"chunked") {
                    return Err(BadAnswer::Coding);
                }
                self.coded = true;
            }
            b"connection" => self.connection(value),
            b"upgrade" => self.websocket |= value.eq_ignore_ascii_case(b"websocket"),
            b"te" | b"proxy-authenticate" | b"proxy-authorization" => {}
            b"keep-alive" | b"proxy-connection" => {}
            // nginx's word for an answer that must not be held back. We never hold one back.
            b"x-accel-buffering" => {}
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn connection(&mut self, value: &[u8]) {
        for option in value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
            if option.eq_ignore_ascii_case(b"close") {
                self.close = true;
            } else if option.eq_ignore_ascii_case(b"keep-alive") {
                self.keep_alive = true;
            } else if line::is_token(option) {
                self.listed.push(option.to_ascii_lowercase().into());
            }
        }
    }

    /// RFC 9112 6.3: how long the body is.
    fn finish(
        self,
        status: StatusCode,
        old: bool,
        asked: Asked,
        mut fields: Lines,
    ) -> Result<AnswerHead, BadAnswer> {
        for name in &self.listed {
            fields.remove(name);
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
            fields.remove(b"content-length");
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
            fields,
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
