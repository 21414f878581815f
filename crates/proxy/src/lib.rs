//! The front proxy: HTTP/1.1 and HTTP/2 towards visitors, static files and the applications behind.
//!
//! One thread a core, each with its own runtime, connections and upstream pools; threads share
//! listening sockets, settings and metrics, nothing that is locked while requests flow.
//! [`exchange`] lists the phases of a request.
//!
//! Architecture invariant: the proxy knows no application, no database and no queue. What an
//! application never may see is refused in [`gate`] and [`screen`].

pub mod access_log;
pub mod admin;
pub mod answer;
pub mod body;
pub mod cache;
pub mod clock;
pub mod compress;
pub mod connection;
pub mod crowd;
pub mod exchange;
pub mod fault;
pub mod files;
pub mod flood;
pub mod gate;
pub mod hints;
pub mod lane;
pub mod line;
pub mod lines;
pub mod linger;
pub mod listeners;
pub mod maintenance;
pub mod meter;
pub mod operation;
pub mod page;
pub mod password;
pub mod plan;
pub mod preface;
pub mod protection;
pub mod proxy;
pub mod proxy_protocol;
pub mod pulse;
pub mod rate;
pub mod record;
pub mod screen;
pub mod server;
pub mod settings;
pub mod text;
pub mod tls;
pub mod tunnel;
pub mod upstream;
pub mod visitor;
pub mod watched;
pub mod worker;

pub use proxy::{Proxy, ProxyError};
