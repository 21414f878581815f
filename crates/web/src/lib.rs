//! The actix-web side of an application.
//!
//! Owns: the server child (accept in the thread that serves, drain without loss), the boundary that
//! every request passes, sessions, CSRF protection, flash messages, cache, transactions, live updates
//! by WebSocket, and the one place where errors become answers.
//!
//! Architecture invariant: it knows neither the application nor the proxy; both are met through
//! sockets and the types here. It speaks HTTP/1.1 only.

pub mod boundary;
pub mod cache;
mod conversation;
pub mod csrf;
mod deadline;
pub mod error;
pub mod flash;
pub mod live;
mod load;
pub mod routes;
pub mod server;
pub mod session;
pub mod settings;
mod stall;
pub mod transaction;

pub use boundary::Visitor;
pub use cache::Cache;
pub use conversation::converse;
pub use deadline::{Deadline, deadline, extend_deadline};
pub use error::WebError;
pub use live::Live;
pub use settings::WebSettings;
pub use transaction::transaction;
