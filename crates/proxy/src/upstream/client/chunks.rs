//! A chunked body, taken apart (RFC 9112 7.1). As strict as the proxy is with visitors: CR LF ends every
//! line, no white space around a size. Extensions are dropped, trailers bounded.

use bytes::{Buf, Bytes};
use http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HOST,
    SET_COOKIE, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::framer::Event;
use super::head::{BadAnswer, MOST_FIELDS};

/// 15 hexadecimal digits: 60 bits.
const MOST_DIGITS: u8 = 15;
/// A line with a size and its extensions.
const MOST_LINE: usize = 1024;
const MOST_TRAILER: usize = 16 * 1024;
/// What usually follows the last data.
const LAST: &[u8] = b"\r\n0\r\n\r\n";

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Start,
    Size,
    Extension,
    SizeFeed,
    Data,
    DataEnd,
    DataFeed,
    Trailer,
    Complete,
}

/// Follows one chunked body.
#[derive(Debug, Default)]
pub(super) struct Chunks {
    state: State,
    size: u64,
    digits: u8,
    line: usize,
    trailer: Vec<u8>,
}

impl Chunks {
    pub(super) fn is_complete(&self) -> bool {
        self.state == State::Complete
    }

    /// The next piece of data, or the trailers at the end; `None` if `input` was not enough or the
    /// body is complete. What follows the body stays in `input`.
    pub(super) fn step(&mut self, input: &mut Bytes) -> Result<Option<Event>, BadAnswer> {
        while !self.is_complete() {
            if self.state == State::Data {
                if input.is_empty() {
                    return Ok(None);
                }
                return Ok(Some(Event::Data(self.data(input))));
            }
            let Some(byte) = input.first().copied() else {
                return Ok(None);
            };
            input.advance(1);
            self.byte(byte)?;
        }
        if self.trailer.is_empty() {
            return Ok(None);
        }
        trailers(&std::mem::take(&mut self.trailer)).map(|found| found.map(Event::Trailers))
    }

    fn data(&mut self, input: &mut Bytes) -> Bytes {
        let wanted = usize::try_from(self.size).unwrap_or(usize::MAX);
        let piece = input.split_to(wanted.min(input.len()));
        self.size -= u64::try_from(piece.len()).unwrap_or(self.size);
        if self.size == 0 {
            self.state = State::DataEnd;
            if input.starts_with(LAST) {
                // With the last piece goes the news that it was the last.
                input.advance(LAST.len());
                self.state = State::Complete;
            }
        }
        piece
    }

    fn byte(&mut self, byte: u8) -> Result<(), BadAnswer> {
        self.state = match (self.state, byte) {
            (State::Start | State::Size, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                self.digit(byte)?;
                State::Size
            }
            (State::Size, b';') => State::Extension,
            (State::Size | State::Extension, b'\r') => State::SizeFeed,
            (State::Extension, b'\t' | b' '..=b'~' | 0x80..) => {
                self.line += 1;
                if self.line > MOST_LINE {
                    return Err(BadAnswer::Chunk);
                }
                State::Extension
            }
            (State::SizeFeed, b'\n') => self.size_ended(),
            (State::DataEnd, b'\r') => State::DataFeed,
            (State::DataFeed, b'\n') => State::Start,
            (State::Trailer, _) => return self.trailer_byte(byte),
            _ => return Err(BadAnswer::Chunk),
        };
        Ok(())
    }

    fn digit(&mut self, byte: u8) -> Result<(), BadAnswer> {
        self.digits += 1;
        if self.digits > MOST_DIGITS {
            return Err(BadAnswer::Chunk);
        }
        let digit = char::from(byte).to_digit(16).ok_or(BadAnswer::Chunk)?;
        self.size = self.size * 16 + u64::from(digit);
        Ok(())
    }

    fn size_ended(&mut self) -> State {
        self.digits = 0;
        self.line = 0;
        if self.size == 0 {
            State::Trailer
        } else {
            State::Data
        }
    }

    fn trailer_byte(&mut self, byte: u8) -> Result<(), BadAnswer> {
        if self.trailer.len() >= MOST_TRAILER {
            return Err(BadAnswer::Trailer);
        }
        self.trailer.push(byte);
        if byte != b'\n' {
            return Ok(());
        }
        if !self.trailer.ends_with(b"\r\n") {
            return Err(BadAnswer::Trailer);
        }
        if self.trailer == b"\r\n" {
            // No trailers at all.
            self.trailer.clear();
            self.state = State::Complete;
        } else if self.trailer.ends_with(b"\r\n\r\n") {
            self.state = State::Complete;
        }
        Ok(())
    }
}

fn trailers(section: &[u8]) -> Result<Option<HeaderMap>, BadAnswer> {
    let mut fields = [httparse::EMPTY_HEADER; MOST_FIELDS];
    let Ok(httparse::Status::Complete((_, fields))) = httparse::parse_headers(section, &mut fields)
    else {
        return Err(BadAnswer::Trailer);
    };
    let mut headers = HeaderMap::with_capacity(fields.len());
    for field in fields {
        let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| BadAnswer::Trailer)?;
        let value = HeaderValue::from_bytes(field.value).map_err(|_| BadAnswer::Trailer)?;
        if !is_forbidden(&name) {
            headers.append(name, value);
        }
    }
    Ok((!headers.is_empty()).then_some(headers))
}

/// RFC 9110 6.5.1: nothing that frames, routes or authenticates; such trailers are dropped.
fn is_forbidden(name: &HeaderName) -> bool {
    [AUTHORIZATION, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH].contains(name)
        || [CONTENT_RANGE, CONTENT_TYPE, HOST, SET_COOKIE].contains(name)
        || [TE, TRAILER, TRANSFER_ENCODING, UPGRADE].contains(name)
}
