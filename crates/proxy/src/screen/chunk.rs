//! A chunked body, byte for byte (RFC 9112 7.1). Stricter than the grammar in one thing: no white
//! space around the size. Extensions and trailers are allowed and bounded.

use super::head;
use crate::gate::Refusal;

/// 15 hexadecimal digits: 60 bits.
const MOST_DIGITS: u8 = 15;
/// A line with a size and its extensions.
const MOST_LINE: usize = 256;
const MOST_TRAILER: usize = 8 * 1024;

#[derive(Debug, Default)]
enum State {
    #[default]
    Start,
    Size,
    Extension,
    SizeEnd,
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
    trailers: usize,
}

impl Chunks {
    /// Follows `bytes` until they or the body end; the number of bytes that belong to the body.
    pub(super) fn step(&mut self, bytes: &[u8]) -> Result<usize, Refusal> {
        let mut at = 0;
        while at < bytes.len() && !self.is_complete() {
            if matches!(self.state, State::Data) {
                at += self.data(bytes.len() - at);
            } else {
                self.byte(bytes[at])?;
                at += 1;
            }
        }
        Ok(at)
    }

    pub(super) fn is_complete(&self) -> bool {
        matches!(self.state, State::Complete)
    }

    fn data(&mut self, available: usize) -> usize {
        let taken = u64::try_from(available).unwrap_or(u64::MAX).min(self.size);
        self.size -= taken;
        if self.size == 0 {
            self.state = State::DataEnd;
        }
        usize::try_from(taken).unwrap_or(available)
    }

    fn byte(&mut self, byte: u8) -> Result<(), Refusal> {
        self.state = match (&self.state, byte) {
            (State::Start | State::Size, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                self.digit(byte)?;
                State::Size
            }
            (State::Size, b';') => State::Extension,
            (State::Size | State::Extension, b'\r') => State::SizeEnd,
            (State::Extension, b'\t' | b' '..=b'~' | 0x80..) => {
                self.line += 1;
                if self.line > MOST_LINE {
                    return Err(Refusal::Chunk);
                }
                State::Extension
            }
            (State::SizeEnd, b'\n') => self.size_ended(),
            (State::DataEnd, b'\r') => State::DataFeed,
            (State::DataFeed, b'\n') => State::Start,
            (State::Trailer, _) => self.trailer_byte(byte)?,
            _ => return Err(Refusal::Chunk),
        };
        Ok(())
    }

    fn digit(&mut self, byte: u8) -> Result<(), Refusal> {
        self.digits += 1;
        if self.digits > MOST_DIGITS {
            return Err(Refusal::Chunk);
        }
        let digit = char::from(byte).to_digit(16).ok_or(Refusal::Chunk)?;
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

    fn trailer_byte(&mut self, byte: u8) -> Result<State, Refusal> {
        self.trailers += 1;
        if self.trailers > MOST_TRAILER {
            return Err(Refusal::Trailer);
        }
        if byte != b'\n' {
            self.trailer.push(byte);
            return Ok(State::Trailer);
        }
        let line = self.trailer.strip_suffix(b"\r").ok_or(Refusal::Trailer)?;
        if line.is_empty() {
            return Ok(State::Complete);
        }
        let (name, _) = head::field(line).map_err(|_| Refusal::Trailer)?;
        if is_forbidden(name) {
            return Err(Refusal::Trailer);
        }
        self.trailer.clear();
        Ok(State::Trailer)
    }
}

/// RFC 9110 6.5.1: nothing that frames, routes or authenticates.
fn is_forbidden(name: &[u8]) -> bool {
    const FORBIDDEN: [&str; 8] = [
        "authorization",
        "connection",
        "content-length",
        "content-type",
        "cookie",
        "host",
        "trailer",
        "transfer-encoding",
    ];
    FORBIDDEN
        .iter()
        .any(|forbidden| name.eq_ignore_ascii_case(forbidden.as_bytes()))
}
