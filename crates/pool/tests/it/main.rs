//! The pool's promises, with the real binary and real children.

#![expect(
    clippy::expect_used,
    reason = "test support: a failure here is the test's failure"
)]

mod balance;
mod cli;
mod client;
mod harness;
mod launch;
mod orphan;
mod restart;
mod roll;
mod seen;
mod socket;
mod stop;
