//! What the whole stack promises, checked with real processes, services and browsers.
//!
//! One module a promise. Every test starts a stack of its own (see [`harness::stack`]): its database,
//! its Redis, its processes, on ports that the kernel chose. `docs/testing.md` says how to run one.
#![expect(
    clippy::expect_used,
    reason = "tests: a failure here is the test's failure"
)]

mod browser;
mod celery;
mod compose;
mod dev;
mod garbage;
mod harness;
mod live;
mod load;
mod outage;
mod refusal;
mod trace;
mod uwsgitop;
mod worker_kill;
mod worker_pool;
