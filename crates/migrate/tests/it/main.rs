//! Migrations against a real PostgreSQL.

#![expect(clippy::expect_used, reason = "a failure here is the test's failure")]

mod broken;
mod concurrent;
mod history;
mod support;
mod up;
