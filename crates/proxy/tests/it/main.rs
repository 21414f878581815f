//! The real binary between real visitors and real applications.
#![expect(
    clippy::disallowed_methods,
    clippy::expect_used,
    reason = "tests spawn freely, and a failed expectation is the test's failure"
)]

mod harness;

mod accel;
mod access;
mod access_log;
mod answers;
mod balance;
mod cache;
mod check;
mod cli;
mod compress;
mod conditional;
mod control;
mod crowd;
mod deploy;
mod drain;
mod events;
mod files;
mod flood;
mod forward;
mod forward_auth;
mod frames;
mod gate;
mod grpc;
mod headers;
mod health;
mod hosts;
mod lane;
mod limits;
mod many_tunnels;
mod nginx;
mod pages;
mod password;
mod pause;
mod precompressed;
mod proxy_protocol;
mod ranges;
mod rate;
mod reload;
mod retry;
mod routes;
mod routing;
mod slow_readers;
mod soak;
mod spool;
mod tls;
mod try_files;
mod tunnel;
mod upgrade;
mod websocket_h2;
