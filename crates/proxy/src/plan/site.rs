//! Which site a host belongs to.

use std::collections::HashMap;

use http::HeaderValue;
use kiuas_common::Bytes;

use super::canonical;
use super::check::Problems;
use super::guard::Guard;
use super::headers::HeaderRules;
use super::pages::Pages;
use super::route::{self, Making};
use super::routes::Routes;
use super::tls;
use crate::settings::{ClientAuthSettings, SiteSettings};

/// One site.
#[derive(Debug)]
pub struct Site {
    /// Its place in the settings.
    pub number: usize,
    /// Its first host, by which `kiuas-proxy ctl` knows it.
    pub name: String,
    /// Plain requests are sent to HTTPS.
    pub redirect_https: bool,
    /// The one host that the others are redirected to.
    pub canonical: Option<String>,
    /// No search engine shall know it.
    pub noindex: bool,
    /// Fields of answers where no route applies.
    pub headers: HeaderRules,
    /// `Strict-Transport-Security`.
    pub hsts: Option<HeaderValue>,
    /// Visitors show certificates.
    pub client_auth: Option<ClientAuthSettings>,
    /// Its own pages for errors.
    pub pages: Pages,
    /// What is served.
    pub routes: Routes,
}

/// All sites, by host.
#[derive(Debug, Default)]
pub struct Sites {
    sites: Vec<Site>,
    exact: HashMap<String, usize>,
    /// `.example.org` for `*.example.org`; longest first.
    suffixes: Vec<(String, usize)>,
    any: Option<usize>,
    names: Vec<String>,
}

impl Sites {
    pub(super) fn new(
        settings: &[SiteSettings],
        upstreams: &[&str],
        body: Bytes,
        problems: &mut Problems,
    ) -> Self {
        let mut sites = Self::default();
        for (index, site) in settings.iter().enumerate() {
            let key = format!("sites[{index}]");
            if site.hosts.0.is_empty() {
                problems.add(
                    format_args!("{key}.hosts"),
                    "no host: write names, `*.example.org` or `*`",
                );
            }
            for host in &site.hosts.0 {
                if let Err(problem) = sites.add_host(host, index) {
                    problems.add(format_args!("{key}.hosts"), problem);
                }
            }
            let headers = HeaderRules::of_site(&key, site.headers.as_ref(), site.noindex, problems);
            let guard = Guard::of_site(&key, site, upstreams, problems);
            let making = Making {
                guard: &guard,
                upstreams,
                body,
                headers: &headers,
                cache: site.cache.as_ref(),
                compress: site.compress.as_ref(),
                server_timing: site.server_timing,
            };
            let routes = route::all(&key, &site.routes, &making, problems);
            sites.sites.push(Site {
                number: index,
                name: site.hosts.0.first().cloned().unwrap_or_default(),
                redirect_https: site.redirect_https,
                canonical: canonical::new(&key, site, problems),
                noindex: site.noindex,
                hsts: site
                    .hsts
                    .as_ref()
                    .and_then(|hsts| tls::hsts(&key, hsts, problems)),
                client_auth: site.client_auth.clone(),
                pages: Pages::of_site(&key, &site.pages, problems),
                routes,
                headers,
            });
        }
        sites
            .suffixes
            .sort_by_key(|(suffix, _)| usize::MAX - suffix.len());
        sites
    }

    fn add_host(&mut self, host: &str, index: usize) -> Result<(), String> {
        let twice = || format!("`{host}` is already another site's");
        if host == "*" {
            return match self.any.replace(index) {
                None => Ok(()),
                Some(_) => Err(twice()),
            };
        }
        let name = host.to_ascii_lowercase();
        let (wildcard, name) = match name.strip_prefix("*.") {
            Some(rest) => (true, rest.to_owned()),
            None => (false, name),
        };
        if !is_host(&name) {
            return Err(format!(
                "`{host}` is no host: write a name or an address without a port, `*.example.org` or `*`"
            ));
        }
        self.names.push(name.clone());
        if wildcard {
            let suffix = format!(".{name}");
            if self.suffixes.iter().any(|(other, _)| *other == suffix) {
                return Err(twice());
            }
            self.names.push(format!("*.{name}"));
            self.suffixes.push((suffix, index));
            return Ok(());
        }
        match self.exact.insert(name, index) {
            None => Ok(()),
            Some(_) => Err(twice()),
        }
    }

    /// The site of `host` (lower case, without port): exact before wildcard before `*`.
    #[must_use]
    pub fn find(&self, host: &str) -> Option<&Site> {
        let index = self.exact.get(host).copied().or_else(|| {
            self.suffixes
                .iter()
                .find(|(suffix, _)| host.len() > suffix.len() && host.ends_with(suffix.as_str()))
                .map(|(_, index)| *index)
                .or(self.any)
        })?;
        self.sites.get(index)
    }

    /// All of them, in the order of the settings.
    #[must_use]
    pub fn all(&self) -> &[Site] {
        &self.sites
    }

    /// The site that has exactly this host in the settings.
    #[must_use]
    pub fn named(&self, host: &str) -> Option<&Site> {
        let index = match host.strip_prefix('*') {
            Some("") => self.any,
            Some(suffix) => self
                .suffixes
                .iter()
                .find(|(own, _)| own == suffix)
                .map(|(_, index)| *index),
            None => self.exact.get(host).copied(),
        }?;
        self.sites.get(index)
    }

    /// Every name in the settings, for certificates.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }
}

pub(super) fn is_host(name: &str) -> bool {
    let address = name
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    if let Some(address) = address {
        return address.parse::<std::net::Ipv6Addr>().is_ok();
    }
    !name.is_empty()
        && name.len() <= 253
        && name.split('.').all(|label| {
            !label.is_empty()
                && label.len() <= 63
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
        })
}
