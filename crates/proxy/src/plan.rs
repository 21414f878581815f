//! The settings made into what the threads work with: checked, resolved, immutable.
//!
//! Everything that can be wrong is found here, before any address is bound, and all of it at once.

mod access_log;
mod cache;
mod canonical;
mod check;
mod compress;
mod files;
mod guard;
mod headers;
mod network;
mod pages;
pub mod path;
mod route;
mod routes;
mod site;
mod spool;
mod swap;
mod template;
#[cfg(test)]
mod tests;
mod tls;

use std::sync::Arc;
use std::time::Duration;

use crate::access_log::{Sink, SinkError};
use crate::body::BodyPace;
use crate::cache::Capacity;
use crate::meter::Meter;
use crate::settings::{LimitSettings, LogFormat, ProxySettings, TrustedField};
use crate::upstream::UpstreamPlan;

pub use access_log::{LogPlan, LogTarget};
pub(crate) use check::Problems;
pub use check::{PlanError, Problem};
pub use files::{Fallback, Files, FixedFile, HotFiles, Try};
pub use guard::{Access, Exceptions, ForwardAuth, Guard, Limit, Password, RateKey};
pub use headers::{HeaderRules, Rules};
pub use network::{Balancers, Network};
pub use pages::Pages;
pub use route::{Action, Fixed, Mount, Redirect, Rewrite, Route};
pub use routes::{Found, Lookup, Routes};
pub use site::{Site, Sites};
pub use spool::Spool;
pub use swap::Plans;
pub use template::{Captured, Scope, Template};
pub use tls::{AcmePlan, TlsPlan, TlsSite, TlsSource};

/// What the threads work with.
#[derive(Debug)]
pub struct Plan {
    /// By host, then by path.
    pub sites: Sites,
    /// In the order of their names; [`Action::Forward`] holds an index.
    pub upstreams: Vec<Arc<UpstreamPlan>>,
    /// Peers that are believed.
    pub trusted: Vec<Network>,
    /// What they tell the visitor's address by.
    pub trusted_field: TrustedField,
    /// Peers whose connections begin with a PROXY header.
    pub balancers: Balancers,
    /// Of the response cache.
    pub cache: Capacity,
    /// Bounds and deadlines.
    pub limits: Limits,
    /// Request bodies on their way in.
    pub spool: Spool,
    /// A thread's share of the table of hot files.
    pub hot_files: HotFiles,
    /// Pages for errors on all sites.
    pub pages: Pages,
    /// One log line a request.
    pub access_log: Arc<LogPlan>,
    /// What writes the lines; open once the plan is in force, if lines go anywhere but to the process's own
    /// log.
    pub log_sink: Option<Arc<Sink>>,
    /// Plain requests are served without hyper.
    pub fast_lane: bool,
    /// Port of the first HTTPS listener, for redirections; known once the listeners are open.
    pub https_port: Option<u16>,
    /// HTTP/2 on plain connections that begin with its preface.
    pub h2c: bool,
    /// Certificates.
    pub tls: TlsPlan,
}

/// [`LimitSettings`] as the standard library's types.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Visitors' connections at a time.
    pub connections: usize,
    /// Of heads, if they are lower than the gate's.
    pub heads: Option<HeadLimits>,
    /// For a whole request, if it is bounded.
    pub request: Option<Duration>,
    /// Of one address, if they are counted.
    pub connections_per_address: Option<u32>,
    /// Requests at work of one address, if they are counted.
    pub requests_per_address: Option<u32>,
    /// Largest request body in bytes.
    pub body: u64,
    /// For a whole head.
    pub head: Duration,
    /// For a TLS handshake.
    pub handshake: Duration,
    /// For request bodies.
    pub body_pace: BodyPace,
    /// For a visitor who does not read.
    pub write_pause: Duration,
    /// Bytes a second that a visitor must read.
    pub write_rate: u64,
    /// For an idle connection.
    pub keep_alive: Duration,
    /// For a silent tunnel.
    pub tunnel: Duration,
    /// Idle connections during the drain.
    pub drain_grace: Duration,
    /// Answers during the drain.
    pub drain: Duration,
    /// WebSockets during the drain.
    pub tunnel_drain: Duration,
    /// From the first to the last close frame.
    pub tunnel_spread: Duration,
}

impl Plan {
    /// Checks and makes everything.
    ///
    /// # Errors
    /// All the problems found, each with its key.
    pub fn new(settings: &ProxySettings) -> Result<Self, PlanError> {
        let mut problems = Problems::default();
        check::general(settings, &mut problems);
        let trusted = network::all("trusted", &settings.trusted.0, &mut problems);
        let balancers = Balancers::new(&settings.proxy_protocol.0, &mut problems);
        let names: Vec<&str> = settings.upstreams.keys().map(String::as_str).collect();
        let upstreams = settings
            .upstreams
            .iter()
            .map(|(name, upstream)| {
                Arc::new(UpstreamPlan::new(
                    name,
                    upstream,
                    settings.control.is_some(),
                    &mut problems,
                ))
            })
            .collect();
        let cache = cache::capacity(&settings.cache, &mut problems);
        let sites = Sites::new(&settings.sites, &names, settings.limits.body, &mut problems);
        let spool = Spool::new(&settings.spool, &mut problems);
        let hot_files = HotFiles::new(&settings.files, settings.thread_count(), &mut problems);
        let tls = TlsPlan::new(settings, &mut problems);
        let pages = Pages::of_all(&settings.pages, &mut problems);
        let access_log = Arc::new(LogPlan::new(&settings.access_log, &mut problems));
        problems.into_result(Self {
            sites,
            upstreams,
            trusted,
            trusted_field: settings.trusted_field,
            balancers,
            cache,
            limits: Limits::from(&settings.limits),
            spool,
            hot_files,
            pages,
            access_log,
            log_sink: None,
            fast_lane: settings.fast_lane,
            https_port: None,
            h2c: settings.h2c,
            tls,
        })
    }

    /// Opens the access log; `old` is kept if it writes to the same place.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn open_log(&mut self, old: Option<&Arc<Sink>>, meter: &Meter) -> Result<(), SinkError> {
        let wanted = matches!(
            self.access_log.format,
            LogFormat::Combined | LogFormat::CombinedPlus | LogFormat::Json
        );
        self.log_sink = match old {
            _ if !wanted => None,
            Some(old) if *old.target() == self.access_log.target => Some(Arc::clone(old)),
            _ => Some(Arc::new(Sink::open(
                &self.access_log.target,
                meter.log_dropped.clone(),
            )?)),
        };
        Ok(())
    }

    /// An upstream whose settings are the same stays the same; one whose settings changed keeps what
    /// happened to it while it ran (targets set by hand, queue, health).
    fn take_over(&mut self, old: &Self) {
        for upstream in &mut self.upstreams {
            let Some(before) = old.upstreams.iter().find(|one| one.name == upstream.name) else {
                continue;
            };
            if before.is_same(upstream) {
                *upstream = Arc::clone(before);
            } else if let Some(upstream) = Arc::get_mut(upstream) {
                upstream.inherit(&before.state);
            }
        }
    }
}

/// 0 is no limit.
fn limit(most: u32) -> Option<u32> {
    (most > 0).then_some(most)
}

/// Bounds of heads below those that the gate always has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeadLimits {
    /// Of the whole head, in bytes.
    pub head: u64,
    /// Number of fields.
    pub fields: usize,
    /// Of the target, in bytes.
    pub line: u64,
}

impl HeadLimits {
    /// `None` if the gate's own are meant.
    fn new(settings: &LimitSettings) -> Option<Self> {
        let defaults = LimitSettings::default();
        let own = Self {
            head: settings.head.0,
            fields: settings.fields,
            line: settings.line.0,
        };
        let lower = own.head < defaults.head.0
            || own.fields < defaults.fields
            || own.line < defaults.line.0;
        lower.then_some(own)
    }
}

impl From<&LimitSettings> for Limits {
    fn from(settings: &LimitSettings) -> Self {
        Self {
            connections: settings.connections,
            heads: HeadLimits::new(settings),
            request: settings.request_timeout.map(|limit| limit.duration()),
            connections_per_address: limit(settings.connections_per_address),
            requests_per_address: limit(settings.requests_per_address),
            body: settings.body.0,
            head: settings.head_timeout.duration(),
            handshake: settings.handshake_timeout.duration(),
            body_pace: BodyPace {
                pause: settings.body_timeout.duration(),
                rate: settings.body_min_rate.0,
            },
            write_pause: settings.write_timeout.duration(),
            write_rate: settings.write_min_rate.0,
            keep_alive: settings.keep_alive.duration(),
            tunnel: settings.tunnel_timeout.duration(),
            drain_grace: settings.drain_grace.duration(),
            drain: settings.drain_timeout.duration(),
            tunnel_drain: settings
                .tunnel_drain
                .unwrap_or(settings.drain_timeout)
                .duration(),
            tunnel_spread: settings.tunnel_spread.duration(),
        }
    }
}
