//! Where an answer begins and ends in a stream of bytes, and what is in it. Pure: no input or output.

use bytes::{Buf, Bytes, BytesMut};
use http::{HeaderMap, StatusCode};

use super::chunks::Chunks;
use super::head::{self, AnswerHead, Asked, BadAnswer, Framing};

/// An application that says 102 or 103 without end never answers.
const MOST_INTERIM: u8 = 32;

/// What was found.
#[derive(Debug, PartialEq, Eq)]
pub enum Event {
    /// 1xx; the answer is still to come.
    Interim(AnswerHead),
    /// The head of the answer; after 101 the stream is no longer HTTP.
    Head(AnswerHead),
    /// A piece of the body.
    Data(Bytes),
    /// The trailers of a chunked body.
    Trailers(HeaderMap),
}

#[derive(Debug)]
enum State {
    /// In the head; `kept` is its beginning if it came in several pieces.
    Head {
        kept: BytesMut,
        searched: usize,
    },
    Length(u64),
    Chunked(Chunks),
    UntilClose,
    Complete,
}

/// Follows one answer.
#[derive(Debug)]
pub struct Framer {
    state: State,
    asked: Asked,
    begun: bool,
    interim: u8,
}

impl Framer {
    /// For the answer to what was `asked`.
    #[must_use]
    pub fn new(asked: Asked) -> Self {
        Self {
            state: State::awaiting(),
            asked,
            begun: false,
            interim: 0,
        }
    }

    /// What comes next in `input`; `None` if it was not enough, or the answer is complete. What
    /// follows the answer stays in `input`.
    ///
    /// # Errors
    /// What is wrong with the answer: nothing that follows can be trusted.
    pub fn step(&mut self, input: &mut Bytes) -> Result<Option<Event>, BadAnswer> {
        match &mut self.state {
            State::Complete => Ok(None),
            State::Chunked(chunks) => {
                let event = chunks.step(input)?;
                if chunks.is_complete() {
                    self.state = State::Complete;
                }
                Ok(event)
            }
            _ if input.is_empty() => Ok(None),
            State::Head { .. } => self.head(input),
            State::UntilClose => Ok(Some(Event::Data(std::mem::take(input)))),
            State::Length(left) => {
                let wanted = usize::try_from(*left).unwrap_or(usize::MAX);
                let piece = input.split_to(wanted.min(input.len()));
                *left -= u64::try_from(piece.len()).unwrap_or(*left);
                if *left == 0 {
                    self.state = State::Complete;
                }
                Ok(Some(Event::Data(piece)))
            }
        }
    }

    fn head(&mut self, input: &mut Bytes) -> Result<Option<Event>, BadAnswer> {
        let State::Head { kept, searched } = &mut self.state else {
            return Ok(None);
        };
        self.begun = true;
        let at_once = match kept.is_empty() {
            true => head::parse(input, self.asked).ok().flatten(),
            false => None,
        };
        let head = match at_once {
            Some((head, length)) => {
                input.advance(length);
                head
            }
            // What is wrong must not depend on the pieces it came in: it is judged once the end is there.
            None => {
                kept.extend_from_slice(&std::mem::take(input));
                if head::end(kept, searched)?.is_none() {
                    return Ok(None);
                }
                let mut all = std::mem::take(kept).freeze();
                let Some((head, length)) = head::parse(&all, self.asked)? else {
                    return Err(BadAnswer::Head);
                };
                all.advance(length);
                *input = all;
                head
            }
        };
        let switched = head.status == StatusCode::SWITCHING_PROTOCOLS;
        if head.status.is_informational() && !switched {
            self.interim += 1;
            if self.interim > MOST_INTERIM {
                return Err(BadAnswer::Interim);
            }
            self.state = State::awaiting();
            return Ok(Some(Event::Interim(head)));
        }
        self.state = match head.framing {
            Framing::Empty => State::Complete,
            Framing::Length(length) => State::Length(length),
            Framing::Chunked => State::Chunked(Chunks::default()),
            Framing::UntilClose => State::UntilClose,
        };
        Ok(Some(Event::Head(head)))
    }

    /// The stream has ended.
    ///
    /// # Errors
    /// The answer is not complete.
    pub fn end(&mut self) -> Result<(), BadAnswer> {
        match self.state {
            State::Complete => Ok(()),
            State::UntilClose => {
                self.state = State::Complete;
                Ok(())
            }
            _ => Err(BadAnswer::Truncated),
        }
    }

    /// True once the whole answer was seen.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        matches!(self.state, State::Complete)
    }

    /// True once anything of an answer came.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.begun
    }

    /// Bytes of the body that are still to come, if that is known.
    #[must_use]
    pub fn left(&self) -> Option<u64> {
        match self.state {
            State::Length(left) => Some(left),
            State::Complete => Some(0),
            _ => None,
        }
    }
}

impl State {
    fn awaiting() -> Self {
        Self::Head {
            kept: BytesMut::new(),
            searched: 0,
        }
    }
}

#[cfg(test)]
mod tests;
