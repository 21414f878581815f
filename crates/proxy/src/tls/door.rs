//! The kinds of handshakes: one for all sites without client certificates, one for each distinct
//! demand for them.

use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoClientAuth, ServerSessionMemoryCache};

use super::challenge::ACME_TLS;
use super::client;
use super::names::Names;
use super::profile;
use super::resolver::Resolver;
use super::stamp::{Stamps, stamps};
use super::ticket::{TicketKeys, Tickets};
use super::{TlsError, TlsPlan};
use crate::settings::ClientAuthSettings;

/// TLS 1.2 sessions of visitors who know no tickets, kept in memory.
const MOST_SESSIONS: usize = 4096;

/// One kind of handshake.
#[derive(Debug)]
pub(super) struct Door {
    pub(super) terms: Option<Arc<ClientAuthSettings>>,
    pub(super) config: Arc<ServerConfig>,
}

/// All kinds.
#[derive(Debug)]
pub(super) struct Doors {
    /// Without client certificates.
    pub(super) open: Arc<Door>,
    names: Names<Arc<Door>>,
    alike: bool,
    /// Versions of the files that verifiers were made from.
    stamps: Stamps,
}

impl Doors {
    pub(super) fn new(
        plan: &TlsPlan,
        resolver: &Arc<Resolver>,
        tickets: &Arc<TicketKeys>,
    ) -> Result<Self, TlsError> {
        let provider = Arc::new(profile::provider(plan.profile));
        let make = |terms: Option<Arc<ClientAuthSettings>>| {
            let (verifier, fingerprint) = match &terms {
                None => (
                    Arc::new(NoClientAuth) as Arc<dyn ClientCertVerifier>,
                    Vec::new(),
                ),
                Some(terms) => client::verifier(terms, &provider)?,
            };
            let tickets = Tickets::new(tickets, fingerprint);
            let config = config(plan, &provider, verifier, resolver, tickets)?;
            Ok::<_, TlsError>(Arc::new(Door { terms, config }))
        };
        // Before reading: a file that changes meanwhile is read again.
        let stamps = stamps(paths(plan));
        let open = make(None)?;
        let demands = plan
            .sites
            .iter()
            .filter_map(|site| site.client_auth.as_ref());
        let mut closed = Vec::new();
        for (demand, terms) in client::distinct(demands) {
            closed.push((demand, make(Some(terms))?));
        }
        let mut names = Names::default();
        for site in &plan.sites {
            let door = match &site.client_auth {
                None => &open,
                Some(demand) => closed
                    .iter()
                    .find(|(other, _)| *other == demand)
                    .map_or(&open, |(_, door)| door),
            };
            for host in &site.hosts {
                names.add(host, Arc::clone(door));
            }
        }
        Ok(Self {
            alike: closed.is_empty(),
            open,
            names,
            stamps,
        })
    }

    /// No site asks for client certificates.
    pub(super) fn all_alike(&self) -> bool {
        self.alike
    }

    /// The handshake for visitors of `name`.
    pub(super) fn find(&self, name: Option<&str>) -> &Door {
        match name {
            Some(name) => self.names.find(&name.to_ascii_lowercase()),
            None => self.names.any(),
        }
        .unwrap_or(&self.open)
    }

    /// The same, with the files' versions of now: what could not be used is not tried again and again.
    pub(super) fn as_seen_now(&self, plan: &TlsPlan) -> Self {
        Self {
            open: Arc::clone(&self.open),
            names: self.names.clone(),
            alike: self.alike,
            stamps: stamps(paths(plan)),
        }
    }

    /// True if a file that verifiers were made from has changed.
    pub(super) fn are_stale(&self, plan: &TlsPlan) -> bool {
        self.stamps != stamps(paths(plan))
    }
}

/// Reads the files that verifiers are made from.
pub(super) fn check(plan: &TlsPlan) -> Result<(), TlsError> {
    let provider = Arc::new(profile::provider(plan.profile));
    for site in &plan.sites {
        if let Some(demand) = &site.client_auth {
            client::verifier(demand, &provider)?;
        }
    }
    Ok(())
}

fn paths(plan: &TlsPlan) -> impl Iterator<Item = &Path> {
    plan.sites
        .iter()
        .filter_map(|site| site.client_auth.as_ref())
        .flat_map(|demand| [Some(demand.ca.as_path()), demand.crl.as_deref()])
        .flatten()
}

fn config(
    plan: &TlsPlan,
    provider: &Arc<CryptoProvider>,
    verifier: Arc<dyn ClientCertVerifier>,
    resolver: &Arc<Resolver>,
    tickets: Tickets,
) -> Result<Arc<ServerConfig>, TlsError> {
    let mut config = ServerConfig::builder_with_provider(Arc::clone(provider))
        .with_protocol_versions(profile::versions(plan.profile))
        .map_err(TlsError::Use)?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::clone(resolver) as _);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec(), ACME_TLS.to_vec()];
    config.ticketer = Arc::new(tickets);
    // Each connection, resumed or not, brings the one that the next begins with.
    config.send_tls13_tickets = 1;
    config.session_storage = ServerSessionMemoryCache::new(MOST_SESSIONS);
    Ok(Arc::new(config))
}
