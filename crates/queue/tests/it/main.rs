//! The broker, the client and the outbox against real servers.

mod broker;
mod outbox;
mod results;
mod setup;
