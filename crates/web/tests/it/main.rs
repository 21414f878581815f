//! The web side over real sockets, with a real Redis and a real PostgreSQL.
//!
//! One module a promise; `harness` starts servers and speaks HTTP without a client library, so that
//! nothing is retried or hidden.
#![expect(
    clippy::expect_used,
    reason = "helpers of tests: a failure here is the test's failure"
)]

mod admission;
mod cache;
mod child;
mod csrf;
mod drain;
mod harness;
mod limits;
mod live;
mod peers;
mod requests;
mod session;
mod streams;
mod transaction;
