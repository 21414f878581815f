//! The reader between a visitor's connection and hyper: it frames HTTP/1 by itself, so that the gate
//! sees every head exactly as it was sent, and lets through only bytes that passed.
//!
//! A refused head is replaced by a stand-in request: hyper calls the service for it in its turn, after
//! the answers to whatever was pipelined before, and the service answers with the refusal. Nothing after
//! it is ever read as a request. A malformed body ends in a read error.
//!
//! Bytes are read straight into hyper's buffer and looked at there; only what may not go on yet
//! (an incomplete head, the bytes behind an undecided upgrade) is kept here.

mod chunk;
mod framer;
mod head;
mod shared;
mod stream;
#[cfg(test)]
mod tests;

pub use framer::{Framer, Step};
pub use shared::{Arrival, Gatekeeper};
pub use stream::Screen;

/// What hyper sees instead of a refused head.
pub(crate) const STAND_IN: &[u8] = b"GET / HTTP/1.1\r\nHost: refused\r\nConnection: close\r\n\r\n";
