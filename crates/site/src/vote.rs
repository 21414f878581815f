//! Votes: one a visitor and poll.
//!
//! A visitor is known by a random identifier in the session. The database keeps a second vote out,
//! however many requests arrive at once; the application only says it nicely.

pub(crate) mod handlers;
pub(crate) mod store;
