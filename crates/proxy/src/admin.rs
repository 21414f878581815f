//! The control socket: a running proxy is asked and changed through it, by `kiuas-proxy ctl`.
//!
//! HTTP/1.1 over a Unix socket of mode 0600: `POST /v1/VERB` with the verb's arguments as a JSON object,
//! answered with a JSON object. [`verb`] holds the table of verbs; each verb is one file that owns its
//! arguments (flags of the command line and body of the request in one), what it does, and how its
//! answer reads. Nothing listens on TCP for this.

mod certs;
pub mod client;
mod deploy;
mod drain;
mod find;
mod maintenance;
mod pause;
mod purge;
mod reload;
mod server;
mod status;
mod store;
mod targets;
mod upgrade;
pub mod verb;
mod why;

use std::sync::Arc;

pub use server::serve;
pub use store::{Store, StoreError};
pub use upgrade::Upgrade;
pub use verb::{Run, Verb, VerbError};

use crate::operation::Orders;
use crate::worker::Shared;

/// What verbs work on.
#[derive(Debug, Clone)]
pub struct Context {
    /// What the serving threads share.
    pub shared: Shared,
    /// What the main thread does.
    pub orders: Orders,
    /// Keeps what was changed over a restart.
    pub store: Arc<Store>,
}
