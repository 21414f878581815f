//! Workers in this process and as processes of their own, against real servers.
#![expect(clippy::expect_used, reason = "a test fails by its panic")]

mod canvas;
mod chords;
mod drain;
mod ends;
mod interop;
mod process;
mod rabbitmq;
mod refused;
mod revoked;
mod setup;
mod tasks;
