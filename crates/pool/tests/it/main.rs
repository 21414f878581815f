//! The pool's promises, with the real binary and real children.

#![expect(
    clippy::expect_used,
    reason = "test support: a failure here is the test's failure"
)]

mod balance;
mod churn;
mod cli;
mod client;
mod exhaustion;
mod faults;
mod foreign;
mod front;
mod harness;
mod helper;
mod hostile;
mod idle;
mod init;
mod launch;
mod leftovers;
mod limits;
mod load;
mod orders;
mod orphan;
mod restart;
mod roll;
mod seen;
mod socket;
mod stop;
mod trouble;
mod upgrade;
mod versions;
