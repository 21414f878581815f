//! Section `[proxy]`: what an administrator writes. Only shapes and defaults; what follows from them
//! is checked and made in [`crate::plan`].

mod access_log;
mod cache;
mod compress;
mod effective;
mod files;
mod guard;
mod headers;
mod health;
mod limits;
mod list;
mod pages;
mod site;
mod spool;
mod target;
mod tls;
mod trusted;
mod upstream;

use std::collections::BTreeMap;
use std::num::NonZero;
use std::path::PathBuf;

use kiuas_common::Address;
use serde::{Deserialize, Serialize};

pub use access_log::{AccessLogSettings, LogFormat};
pub use cache::{CacheSettings, RouteCache, RouteCacheSettings};
pub use compress::{Compress, CompressSettings};
pub use effective::effective;
pub use files::{FilesSettings, HotFilesSettings, Symlinks};
pub use guard::{
    AccessSettings, ForwardAuthSettings, PasswordSettings, RateSettings, Satisfy, Switch,
};
pub use headers::{HeaderSettings, RequestHeaderSettings};
pub use health::{BreakerSettings, HealthSettings, PassiveSettings};
pub use limits::LimitSettings;
pub use list::List;
pub use pages::PagesSettings;
pub use site::{RedirectSettings, RespondSettings, RewriteSettings, RouteSettings, SiteSettings};
pub use spool::SpoolSettings;
pub use target::{StickySettings, TargetSettings};
pub use tls::{
    AcmeChallenge, AcmeSettings, ClientAuthMode, ClientAuthSettings, ExternalAccountSettings,
    HstsSettings, PairSettings, SiteTlsSettings, TlsMode, TlsProfile, TlsSettings,
};
pub use trusted::TrustedField;
pub use upstream::{Balance, Protocol, UpstreamSettings};

/// Section `[proxy]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProxySettings {
    /// Addresses for plain HTTP. Ignored when sockets named `http` or `https` are inherited.
    pub http: List<Address>,
    /// Addresses for HTTPS.
    pub https: List<Address>,
    /// HTTP/2 without TLS on the plain addresses, for visitors who know of it beforehand.
    pub h2c: bool,
    /// Threads that serve; 0 means one a core.
    pub threads: usize,
    /// Address of the admin listener (`/healthz`, `/readyz`, `/metrics`); none by default.
    pub admin: Option<Address>,
    /// Unix socket (mode 0600) for `kiuas-proxy ctl`; none by default. Never a TCP address: whoever
    /// can connect commands the proxy.
    pub control: Option<Address>,
    /// File for the process's id; none by default.
    pub pid_path: Option<PathBuf>,
    /// File that keeps what `kiuas-proxy ctl` changed (targets, pauses, maintenance) over a restart;
    /// none by default.
    pub state: Option<PathBuf>,
    /// Peers (addresses or networks) whose `X-Forwarded-For`, `X-Request-Id` and `traceparent` are
    /// believed: a load balancer in front of this proxy. A visitor is never one of them.
    pub trusted: List<String>,
    /// Peers (addresses or networks) whose connections begin with a PROXY protocol header, version 1
    /// or 2: the visitor's address is taken from there. `unix` means every peer on a Unix socket.
    pub proxy_protocol: List<String>,
    /// What such a peer tells the visitor's address by: the others are not looked at, or a visitor could
    /// write them.
    pub trusted_field: TrustedField,
    /// One log line a request.
    pub access_log: AccessLogSettings,
    /// Own pages for errors and maintenance.
    pub pages: PagesSettings,
    /// Serves plain HTTP/1.1 requests by a short way of their own. Off, all take the general way: the
    /// answers are the same, for more of the processor.
    pub fast_lane: bool,
    /// Bounds and deadlines.
    pub limits: LimitSettings,
    /// Request bodies on their way in.
    pub spool: SpoolSettings,
    /// The table of hot static files.
    pub files: HotFilesSettings,
    /// How much the response cache holds.
    pub cache: CacheSettings,
    /// Certificates.
    pub tls: TlsSettings,
    /// What is served, by host.
    pub sites: Vec<SiteSettings>,
    /// The applications behind, by name.
    pub upstreams: BTreeMap<String, UpstreamSettings>,
}

impl Default for ProxySettings {
    fn default() -> Self {
        Self {
            http: List(vec![Address::Tcp(([127, 0, 0, 1], 8080).into())]),
            https: List(Vec::new()),
            h2c: false,
            threads: 0,
            admin: None,
            pid_path: None,
            control: None,
            state: None,
            trusted: List(Vec::new()),
            trusted_field: TrustedField::default(),
            proxy_protocol: List(Vec::new()),
            access_log: AccessLogSettings::default(),
            pages: PagesSettings::default(),
            fast_lane: true,
            limits: LimitSettings::default(),
            spool: SpoolSettings::default(),
            files: HotFilesSettings::default(),
            cache: CacheSettings::default(),
            tls: TlsSettings::default(),
            sites: Vec::new(),
            upstreams: BTreeMap::new(),
        }
    }
}

impl ProxySettings {
    /// How many threads serve.
    #[must_use]
    pub fn thread_count(&self) -> usize {
        match self.threads {
            0 => std::thread::available_parallelism().map_or(1, NonZero::get),
            count => count,
        }
    }
}
