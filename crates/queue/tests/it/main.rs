//! The broker, the client and the outbox against real servers.
#![expect(clippy::expect_used, reason = "a test fails by its panic")]

mod broker;
mod outbox;
mod results;
mod setup;
