//! The broker, the client and the outbox against real servers.
#![expect(clippy::expect_used, reason = "a test fails by its panic")]

mod amqp;
mod chords;
mod conformance;
mod outbox;
mod redis;
mod relay;
mod results;
mod setup;
mod stage;
