//! Certificates that visitors show: who may, and what an application is told about them.

use std::collections::HashMap;
use std::sync::Arc;

use http::HeaderValue;
use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls_pki_types::CertificateRevocationListDer;
use rustls_pki_types::pem::PemObject;
use sha2::{Digest, Sha256};

use super::TlsError;
use super::credential::{bounded, chain, pem};
use super::subject;
use crate::settings::{ClientAuthMode, ClientAuthSettings};

/// The other end of a connection to a site whose visitors show certificates.
#[derive(Debug, Clone)]
pub struct Peer {
    /// The terms it was let in under.
    pub terms: Arc<ClientAuthSettings>,
    /// Subject of its certificate, which was verified.
    pub subject: Option<HeaderValue>,
}

impl Peer {
    /// True if a connection let in under these terms may ask a site with `wanted` ones. Names in a
    /// handshake and in a request may differ: who is asked for a certificate at one door must not come
    /// in by another.
    #[must_use]
    pub fn satisfies(&self, wanted: &ClientAuthSettings) -> bool {
        *self.terms == *wanted
    }

    pub(super) fn new(
        terms: Arc<ClientAuthSettings>,
        connection: &rustls::ServerConnection,
    ) -> Self {
        let subject = connection
            .peer_certificates()
            .and_then(<[_]>::first)
            .and_then(|first| subject::of(first))
            .and_then(|text| HeaderValue::from_str(&text).ok());
        Self { terms, subject }
    }
}

/// Verifies certificates against `settings`, and the terms' fingerprint: sessions made under other
/// authorities or before a revocation cannot be resumed.
pub(super) fn verifier(
    settings: &ClientAuthSettings,
    provider: &Arc<CryptoProvider>,
) -> Result<(Arc<dyn ClientCertVerifier>, Vec<u8>), TlsError> {
    let mut roots = RootCertStore::empty();
    let mut terms = Sha256::new();
    for certificate in chain(&settings.ca)? {
        terms.update(&certificate);
        roots.add(certificate).map_err(TlsError::Use)?;
    }
    let mut builder =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
    if let Some(path) = &settings.crl {
        let text = bounded(path)?;
        terms.update(&text);
        let lists = CertificateRevocationListDer::pem_slice_iter(&text)
            .collect::<Result<Vec<_>, _>>()
            .map_err(pem("list of revoked certificates", path))?;
        builder = builder
            .with_crls(lists)
            .only_check_end_entity_revocation()
            .allow_unknown_revocation_status();
    }
    if settings.mode == ClientAuthMode::Optional {
        builder = builder.allow_unauthenticated();
    }
    terms.update([u8::from(settings.mode == ClientAuthMode::Optional)]);
    let verifier = builder.build().map_err(|source| TlsError::Verifier {
        path: settings.ca.clone(),
        source,
    })?;
    Ok((verifier, terms.finalize().to_vec()))
}

/// Each distinct setting once.
pub(super) fn distinct<'a>(
    all: impl Iterator<Item = &'a ClientAuthSettings>,
) -> HashMap<&'a ClientAuthSettings, Arc<ClientAuthSettings>> {
    let mut distinct = HashMap::new();
    for one in all {
        distinct.entry(one).or_insert_with(|| Arc::new(one.clone()));
    }
    distinct
}
