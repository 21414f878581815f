//! The broker, the client and the outbox against real servers.
#![expect(clippy::expect_used, reason = "a test fails by its panic")]

mod amqp;
mod chords;
mod conformance;
mod outbox;
mod rabbitmq_tls;
mod redis;
mod results;
mod setup;
mod stage;
