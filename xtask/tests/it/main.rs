//! xtask as a person runs it: real PostgreSQL and Redis, a real terminal's signals, and what is said
//! when something is wrong. The programs of the stack are stand-ins here; the end-to-end tests run the
//! real ones.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod bench;
mod dev;
mod measure;
mod usage;
