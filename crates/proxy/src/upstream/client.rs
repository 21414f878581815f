//! HTTP/1.1 towards applications, polled inside the request's own task: no task and no channel for a
//! connection, no timer for a request.
//!
//! [`Framer`] reads answers (pure, fuzzed), [`wire`] is a connection, [`sending`] a request on its way
//! out, [`ask`] both of them until the head of the answer is here.

mod ask;
mod chunks;
mod framer;
mod head;
mod sending;
mod wire;

pub(super) use ask::{Answered, Failed, Patience, ask};
pub use framer::{Event, Framer};
pub use head::{AnswerHead, Asked, BadAnswer, Framing};
pub(super) use sending::{Length, Sending};
pub(super) use wire::Wire;
