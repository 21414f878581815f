//! Where requests begin and end in a stream of bytes. Pure: no input or output.

use super::chunk::Chunks;
use super::head::{self, Found};
use crate::gate::{Framing, Refusal};

/// What may be done with the bytes seen so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// So many bytes from the front are good; `head` says that a whole head was among them and ended
    /// with them.
    Pass {
        /// How many, at least one.
        length: usize,
        /// They end a head.
        head: bool,
    },
    /// So many bytes from the front mean nothing and are dropped.
    Skip(usize),
    /// More is needed to decide.
    Need,
    /// Nothing goes on before the upgrade is decided.
    Hold,
    /// The request is refused; this connection is at its end.
    Refuse(Refusal),
}

#[derive(Debug)]
enum State {
    /// Between or in heads: so many bytes were searched, and the empty line before a head was dropped.
    Head { searched: usize, skipped: bool },
    /// In a body of known length.
    Length(u64),
    /// In a chunked body.
    Chunked(Chunks),
    /// Behind a request that asks for a WebSocket.
    Undecided,
    /// In a WebSocket.
    Tunnel,
}

/// Follows one connection.
#[derive(Debug)]
pub struct Framer {
    state: State,
}

impl Default for Framer {
    fn default() -> Self {
        Self {
            state: State::boundary(),
        }
    }
}

impl State {
    fn boundary() -> Self {
        Self::Head {
            searched: 0,
            skipped: false,
        }
    }
}

impl Framer {
    /// Looks at `bytes`, which begin where the last `Pass` or `Skip` ended and were not empty.
    pub fn step(&mut self, bytes: &[u8]) -> Step {
        match &mut self.state {
            State::Head { searched, skipped } => {
                if *searched == 0 && !*skipped {
                    // RFC 9112 2.2: one empty line before a request line is ignored.
                    match bytes {
                        [b'\r', b'\n', ..] => {
                            *skipped = true;
                            return Step::Skip(2);
                        }
                        [b'\r'] => return Step::Need,
                        _ => {}
                    }
                }
                match head::find(bytes, searched) {
                    Ok(Found::Incomplete) => Step::Need,
                    Ok(Found::Head { length, passed }) => {
                        self.state = match (passed.upgrade, passed.framing) {
                            (true, _) => State::Undecided,
                            (false, Framing::Empty) => State::boundary(),
                            (false, Framing::Length(length)) => State::Length(length),
                            (false, Framing::Chunked) => State::Chunked(Chunks::default()),
                        };
                        Step::Pass { length, head: true }
                    }
                    Err(refusal) => Step::Refuse(refusal),
                }
            }
            State::Length(left) => {
                let available = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
                let taken = available.min(*left);
                *left -= taken;
                if *left == 0 {
                    self.state = State::boundary();
                }
                Step::Pass {
                    // `taken` is at most the slice's length.
                    length: usize::try_from(taken).unwrap_or(bytes.len()),
                    head: false,
                }
            }
            State::Chunked(chunks) => match chunks.step(bytes) {
                Ok(length) => {
                    if chunks.is_complete() {
                        self.state = State::boundary();
                    }
                    Step::Pass {
                        length,
                        head: false,
                    }
                }
                Err(refusal) => Step::Refuse(refusal),
            },
            State::Undecided => Step::Hold,
            State::Tunnel => Step::Pass {
                length: bytes.len(),
                head: false,
            },
        }
    }

    /// The upgrade was granted (everything from here on is a tunnel) or not (requests go on).
    pub fn decide(&mut self, granted: bool) {
        if matches!(self.state, State::Undecided) {
            self.state = if granted {
                State::Tunnel
            } else {
                State::boundary()
            };
        }
    }

    /// True between requests: the next byte begins a head.
    #[must_use]
    pub fn is_at_boundary(&self) -> bool {
        matches!(self.state, State::Head { .. })
    }

    /// True inside a WebSocket.
    #[must_use]
    pub fn is_tunnel(&self) -> bool {
        matches!(self.state, State::Tunnel)
    }

    /// True behind a request that asks for a WebSocket.
    #[must_use]
    pub fn is_undecided(&self) -> bool {
        matches!(self.state, State::Undecided)
    }
}
