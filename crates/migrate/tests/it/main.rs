//! Migrations against a real PostgreSQL.

#![expect(clippy::expect_used, reason = "a failure here is the test's failure")]

mod broken;
mod busy;
mod concurrent;
mod history;
mod killed;
mod phases;
mod repair;
mod separate;
mod support;
mod up;
mod verify;
mod wire;
