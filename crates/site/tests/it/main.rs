//! The site as visitors, authors and operators meet it: the real binary on a real PostgreSQL and Redis.
#![expect(
    clippy::expect_used,
    reason = "test support: a failure here is the test's failure"
)]

mod accounts;
mod closing;
mod demo;
mod live;
mod mail;
mod polls;
mod protection;
mod schema;
mod stack;
mod visitor;
mod votes;
