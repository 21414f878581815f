//! Beats against a real PostgreSQL and a real Redis.
#![expect(clippy::expect_used, reason = "a failure here is the test's failure")]

mod killed;
mod missed;
mod several;
mod support;
mod trouble;
