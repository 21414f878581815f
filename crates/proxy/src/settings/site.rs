//! `[[proxy.sites]]` and their routes.

use std::collections::BTreeMap;
use std::path::PathBuf;

use kiuas_common::Bytes;
use serde::{Deserialize, Serialize};

use super::{
    AccessSettings, ClientAuthSettings, Compress, FilesSettings, ForwardAuthSettings,
    HeaderSettings, HstsSettings, List, PasswordSettings, RateSettings, RouteCache, Satisfy,
    SiteTlsSettings, Switch,
};

/// One site: hosts and what is served under them.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SiteSettings {
    /// `example.org`, `*.example.org` (any depth below it) or `*`. The most exact match wins.
    pub hosts: List<String>,
    /// Answers every plain request with a redirection to HTTPS.
    #[serde(default)]
    pub redirect_https: bool,
    /// One of `hosts`: requests for the others are redirected to it.
    #[serde(default)]
    pub canonical: Option<String>,
    /// For staging: search engines are told to stay away, by a header field and by `/robots.txt`.
    #[serde(default)]
    pub noindex: bool,
    /// Caching of its routes to upstreams that say nothing about it themselves.
    #[serde(default)]
    pub cache: Option<RouteCache>,
    /// Addresses that may ask.
    #[serde(default)]
    pub access: Option<Switch<AccessSettings>>,
    /// A password file.
    #[serde(default)]
    pub password: Option<Switch<PasswordSettings>>,
    /// Another application that says who may ask.
    #[serde(default)]
    pub forward_auth: Option<Switch<ForwardAuthSettings>>,
    /// `any` of the three is enough, or `all` must agree.
    #[serde(default)]
    pub satisfy: Option<Satisfy>,
    /// How often one may ask.
    #[serde(default)]
    pub rate: Option<Vec<RateSettings>>,
    /// Fields of answers and requests.
    #[serde(default)]
    pub headers: Option<HeaderSettings>,
    /// Where its certificates come from, instead of `proxy.tls.mode`.
    #[serde(default)]
    pub tls: Option<SiteTlsSettings>,
    /// Visitors show certificates.
    #[serde(default)]
    pub client_auth: Option<ClientAuthSettings>,
    /// `Strict-Transport-Security` on every answer over HTTPS.
    #[serde(default)]
    pub hsts: Option<HstsSettings>,
    /// Answers are compressed.
    #[serde(default)]
    pub compress: Option<Compress>,
    /// Own pages for errors: a status (`404`), `4xx` or `5xx`, and a file.
    #[serde(default)]
    pub pages: BTreeMap<String, PathBuf>,
    /// Answers tell how long they took (`Server-Timing`).
    #[serde(default)]
    pub server_timing: bool,
    /// Exact paths win over prefixes, longer prefixes over shorter ones.
    #[serde(default)]
    pub routes: Vec<RouteSettings>,
}

/// Which paths, and exactly one of the four actions.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RouteSettings {
    /// This path alone.
    pub path: Option<String>,
    /// This path and everything below it.
    pub prefix: Option<String>,
    /// Paths that match this pattern, in which nothing is anchored unless you write `^` and `$`.
    pub regex: Option<String>,
    /// With `prefix`: if this is the longest one, no `regex` is tried.
    #[serde(rename = "final")]
    pub last: bool,
    /// Only requests with these methods; all if empty.
    pub methods: Vec<String>,
    /// The path is changed before the action; with no action, the new path is routed again.
    pub rewrite: Option<RewriteSettings>,
    /// With `upstream` and `prefix`: the application does not see the prefix.
    pub strip_prefix: bool,
    /// With `upstream`: the application sees this in front of the path.
    pub add_prefix: Option<String>,
    /// Addresses that may ask, instead of the site's.
    pub access: Option<Switch<AccessSettings>>,
    /// A password file.
    pub password: Option<Switch<PasswordSettings>>,
    /// Another application that says who may ask.
    pub forward_auth: Option<Switch<ForwardAuthSettings>>,
    /// `any` of the three is enough, or `all` must agree.
    pub satisfy: Option<Satisfy>,
    /// How often one may ask.
    pub rate: Option<Vec<RateSettings>>,
    /// Fields of answers and requests, beside the site's.
    pub headers: Option<HeaderSettings>,
    /// Answers are compressed, instead of what the site says.
    pub compress: Option<Compress>,
    /// Only for `X-Accel-Redirect` of an application; visitors find nothing here.
    pub internal: bool,
    /// Largest request body here, instead of `proxy.limits.body`.
    pub body: Option<Bytes>,
    /// False passes request bodies on as they come, for applications that work on the beginning of a
    /// body before its end is here; a slow visitor then occupies the application.
    pub request_buffering: Option<bool>,
    /// Answers of the upstream are cached.
    pub cache: Option<RouteCache>,
    /// With `upstream`: an application's answers with 5xx are replaced by the proxy's own pages.
    pub intercept_errors: bool,
    /// Answers tell how long they took, instead of what the site says.
    pub server_timing: Option<bool>,
    /// Action: forward to this upstream.
    pub upstream: Option<String>,
    /// Action: serve files.
    pub files: Option<FilesSettings>,
    /// Action: send the visitor elsewhere.
    pub redirect: Option<RedirectSettings>,
    /// Action: a fixed answer.
    pub respond: Option<RespondSettings>,
}

/// Another path for the same request.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RewriteSettings {
    /// Only paths that match this pattern are changed.
    #[serde(default)]
    pub regex: Option<String>,
    /// The new path with variables (`/new/$1`). The query stays, unless this holds a `?`.
    pub to: String,
}

/// A redirection.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RedirectSettings {
    /// A path or a URL, with variables.
    pub to: String,
    /// 301, 302, 303, 307 or 308.
    #[serde(default = "RedirectSettings::permanent")]
    pub status: u16,
}

impl RedirectSettings {
    fn permanent() -> u16 {
        308
    }
}

/// A fixed answer.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RespondSettings {
    /// 200 to 599.
    #[serde(default = "RespondSettings::ok")]
    pub status: u16,
    /// The body.
    #[serde(default)]
    pub body: String,
    /// Its media type.
    #[serde(default = "RespondSettings::plain_text")]
    pub content_type: String,
}

impl RespondSettings {
    fn ok() -> u16 {
        200
    }

    fn plain_text() -> String {
        "text/plain; charset=utf-8".to_owned()
    }
}
