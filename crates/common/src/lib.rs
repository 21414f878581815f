//! What every Kiuas process shares.
//!
//! Owns: settings, telemetry, metrics, shutdown, listening sockets, the admin listener, readiness and
//! the scoreboard towards a supervisor, and the pools of PostgreSQL and Redis connections.
//!
//! Architecture invariant: nothing here knows a component (proxy, pool, web, worker, beat), and no
//! type of actix (http 0.2) appears.

pub mod admin;
pub mod balance;
pub mod exit;
pub mod kernel;
pub mod listener;
pub mod metrics;
pub mod notify;
pub mod pause;
pub mod postgres;
pub mod redis;
pub mod scoreboard;
pub mod settings;
pub mod shutdown;
pub mod telemetry;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod tls;

pub use listener::{Address, Listener};
pub use pause::Pause;
pub use settings::{Bytes, Environment, Period, Settings};
pub use shutdown::Shutdown;
