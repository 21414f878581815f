//! Certificates by site, as the settings want them: checked for sense, no file is read yet.

use std::path::PathBuf;
use std::time::Duration;

use http::HeaderValue;

use super::check::Problems;
use crate::settings::{
    AcmeChallenge, AcmeSettings, ClientAuthSettings, HstsSettings, PairSettings, ProxySettings,
    SiteSettings, SiteTlsSettings, TlsMode, TlsProfile, TlsSettings,
};

const LETSENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";
const LETSENCRYPT_STAGING: &str = "https://acme-staging-v02.api.letsencrypt.org/directory";
/// What browsers' lists ask of a site (hstspreload.org): one year.
const PRELOAD_AT_LEAST: Duration = Duration::from_secs(31_536_000);

/// What TLS towards visitors is made of.
#[derive(Debug, Clone)]
pub struct TlsPlan {
    /// Versions, suites and groups.
    pub profile: TlsProfile,
    /// Where keys and certificates are kept.
    pub directory: PathBuf,
    /// No handshake for names of no site.
    pub refuse_unknown: bool,
    /// OCSP answers are stapled.
    pub ocsp: bool,
    /// How often files are looked at.
    pub watch: Duration,
    /// The authority that speaks ACME.
    pub acme: AcmePlan,
    /// For names of no site; [`TlsSource::Acme`] makes no sense here and is left out.
    pub fallback: Option<TlsSource>,
    /// In the order of the settings.
    pub sites: Vec<TlsSite>,
}

/// What a site's connections are made of.
#[derive(Debug, Clone)]
pub struct TlsSite {
    /// Key in the settings, for messages.
    pub key: String,
    /// In lower case: names, `*.name`, `*`.
    pub hosts: Vec<String>,
    /// Where its certificates come from.
    pub source: TlsSource,
    /// Whether visitors show certificates.
    pub client_auth: Option<ClientAuthSettings>,
}

/// Where certificates come from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum TlsSource {
    /// The local authority: one certificate for all such sites.
    Authority,
    /// Files.
    Files(Vec<PairSettings>),
    /// ACME: one certificate for these names.
    Acme(Vec<String>),
}

/// [`AcmeSettings`], resolved.
#[derive(Debug, Clone, PartialEq)]
pub struct AcmePlan {
    /// The directory's URL.
    pub directory_url: String,
    /// `mailto:` URLs.
    pub contact: Vec<String>,
    /// PEM file of the authority behind the directory's own certificate.
    pub ca_path: Option<PathBuf>,
    /// The preferred one first.
    pub challenges: Vec<AcmeChallenge>,
    /// Key id and file of the MAC key.
    pub external_account: Option<(String, PathBuf)>,
}

impl TlsPlan {
    pub(super) fn new(settings: &ProxySettings, problems: &mut Problems) -> Self {
        let tls = &settings.tls;
        let secure = !settings.https.0.is_empty();
        let mut fallback = fallback(tls);
        let mut sites = Vec::with_capacity(settings.sites.len());
        for (index, site) in settings.sites.iter().enumerate() {
            let key = format!("sites[{index}]");
            let hosts: Vec<String> = site
                .hosts
                .0
                .iter()
                .map(|host| host.to_ascii_lowercase())
                .collect();
            if let Some(source) = source(&key, tls, site, &hosts, secure, problems) {
                sites.push(TlsSite {
                    key: format!("proxy.{key}"),
                    hosts,
                    source,
                    client_auth: site.client_auth.clone(),
                });
            }
        }
        // No authority is made for strangers alone.
        if !sites.is_empty() && sites.iter().all(|site| site.source != TlsSource::Authority) {
            fallback = fallback.filter(|source| *source != TlsSource::Authority);
        }
        let wants_acme = sites
            .iter()
            .any(|site| matches!(site.source, TlsSource::Acme(_)));
        if tls.watch.duration().is_zero() {
            problems.add("tls.watch", "must be longer than 0");
        }
        if settings.sites.is_empty() && tls.mode == TlsMode::Files && fallback.is_none() && secure {
            missing_files(problems);
        }
        Self {
            profile: tls.profile,
            directory: tls.directory.clone(),
            refuse_unknown: tls.refuse_unknown,
            ocsp: tls.ocsp,
            watch: tls.watch.duration(),
            acme: AcmePlan::new(&tls.acme, wants_acme && secure, problems),
            fallback,
            sites,
        }
    }
}

fn fallback(tls: &TlsSettings) -> Option<TlsSource> {
    match (tls.mode, &tls.certificate, &tls.key) {
        (TlsMode::LocalAuthority, ..) => Some(TlsSource::Authority),
        (TlsMode::Files, Some(certificate), Some(key)) => {
            Some(TlsSource::Files(vec![PairSettings {
                certificate: certificate.clone(),
                key: key.clone(),
            }]))
        }
        _ => None,
    }
}

fn missing_files(problems: &mut Problems) {
    problems.add(
        "tls.certificate",
        "must name a PEM file, and `proxy.tls.key` that of its key, when `proxy.tls.mode` is `files`",
    );
}

fn source(
    key: &str,
    tls: &TlsSettings,
    site: &SiteSettings,
    hosts: &[String],
    secure: bool,
    problems: &mut Problems,
) -> Option<TlsSource> {
    let mode = match &site.tls {
        Some(SiteTlsSettings::Files(pairs)) if pairs.is_empty() => {
            problems.add(
                format_args!("{key}.tls"),
                "an empty list: write `{ certificate = …, key = … }`",
            );
            return None;
        }
        Some(SiteTlsSettings::Files(pairs)) => return Some(TlsSource::Files(pairs.clone())),
        Some(SiteTlsSettings::Mode(mode)) => *mode,
        None => tls.mode,
    };
    match mode {
        TlsMode::LocalAuthority => Some(TlsSource::Authority),
        TlsMode::Files => {
            let source = fallback(tls);
            if source.is_none() && secure {
                missing_files(problems);
            }
            source
        }
        TlsMode::Acme => acme_names(key, hosts, secure, problems).map(TlsSource::Acme),
    }
}

/// RFC 8737 and RFC 8555 8.3 prove single names; a wildcard needs DNS, which is not ours to write.
fn acme_names(
    key: &str,
    hosts: &[String],
    secure: bool,
    problems: &mut Problems,
) -> Option<Vec<String>> {
    let mut names = Vec::new();
    for host in hosts.iter().filter(|host| *host != "*") {
        if host.starts_with("*.")
            || host.parse::<std::net::IpAddr>().is_ok()
            || host.starts_with('[')
        {
            if secure {
                problems.add(
                    format_args!("{key}.tls"),
                    format!(
                        "no certificate for `{host}` can be ordered by ACME: \
                         write names one by one, or `tls = {{ certificate = …, key = … }}`"
                    ),
                );
            }
        } else {
            names.push(host.clone());
        }
    }
    if names.is_empty() {
        if secure {
            problems.add(
                format_args!("{key}.hosts"),
                "a site whose certificate comes by ACME needs at least one name",
            );
        }
        return None;
    }
    Some(names)
}

impl AcmePlan {
    fn new(settings: &AcmeSettings, wanted: bool, problems: &mut Problems) -> Self {
        let directory_url = match settings.directory_url.as_str() {
            "letsencrypt" => LETSENCRYPT.to_owned(),
            "letsencrypt-staging" => LETSENCRYPT_STAGING.to_owned(),
            url => url.to_owned(),
        };
        if !directory_url.starts_with("https://") {
            problems.add(
                "tls.acme.directory_url",
                format!(
                    "`{directory_url}` is neither `letsencrypt`, `letsencrypt-staging` nor an https URL"
                ),
            );
        }
        if wanted && !settings.agree {
            problems.add(
                "tls.acme.agree",
                "write `true` once you have read and agreed to the terms of service of the authority",
            );
        }
        if wanted && settings.contact.0.is_empty() {
            problems.add(
                "tls.acme.contact",
                "must name a mail address that the authority may write to",
            );
        }
        if settings.challenges.0.is_empty() {
            problems.add(
                "tls.acme.challenges",
                "no way to prove a name: write `tls-alpn-01`, `http-01` or both",
            );
        }
        Self {
            directory_url,
            contact: settings.contact.0.iter().map(|one| mailto(one)).collect(),
            ca_path: settings.ca_path.clone(),
            challenges: settings.challenges.0.clone(),
            external_account: settings
                .external_account
                .as_ref()
                .map(|account| (account.key_id.clone(), account.key_path.clone())),
        }
    }
}

fn mailto(contact: &str) -> String {
    if contact.starts_with("mailto:") {
        contact.to_owned()
    } else {
        format!("mailto:{contact}")
    }
}

/// The field's value, ready to be sent.
pub(super) fn hsts(
    key: &str,
    settings: &HstsSettings,
    problems: &mut Problems,
) -> Option<HeaderValue> {
    let max_age = settings.max_age.duration();
    if settings.preload && (!settings.include_subdomains || max_age < PRELOAD_AT_LEAST) {
        problems.add(
            format_args!("{key}.hsts.preload"),
            "browsers take no site into their lists without `include_subdomains = true` \
             and a `max_age` of at least 365d",
        );
    }
    let mut text = format!("max-age={}", max_age.as_secs());
    if settings.include_subdomains {
        text.push_str("; includeSubDomains");
    }
    if settings.preload {
        text.push_str("; preload");
    }
    HeaderValue::from_str(&text).ok()
}

#[cfg(test)]
mod tests;
