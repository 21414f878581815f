//! One certificate with its key, as handshakes use it.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use rustls::crypto::aws_lc_rs;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::TlsError;
use super::facts::Facts;
use super::ocsp::Staple;

/// No PEM file of ours is larger.
const MOST_PEM: u64 = 1 << 20;

/// A certificate and its key.
#[derive(Debug)]
pub(super) struct Credential {
    pub(super) facts: Facts,
    /// With the newest OCSP answer.
    pub(super) served: ArcSwap<CertifiedKey>,
    /// What is known about its state.
    pub(super) staple: Mutex<Staple>,
}

impl Credential {
    /// Makes one from a chain and the key of its first certificate.
    ///
    /// # Errors
    /// They do not belong together, or cannot be read.
    pub(super) fn new(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Self, TlsError> {
        let facts = chain
            .first()
            .and_then(|first| Facts::read(first))
            .ok_or(TlsError::Certificate)?;
        let certified = CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider())
            .map_err(TlsError::Use)?;
        Ok(Self {
            facts,
            served: ArcSwap::from_pointee(certified),
            staple: Mutex::default(),
        })
    }

    /// From PEM files.
    ///
    /// # Errors
    /// [`TlsError`], with the files' names.
    pub(super) fn from_files(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let chain = chain(certificate)?;
        let private =
            PrivateKeyDer::from_pem_slice(&bounded(key)?).map_err(pem("private key", key))?;
        Self::new(chain, private).map_err(|source| TlsError::Pair {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
            source: Box::new(source),
        })
    }

    /// From a PEM text with both.
    ///
    /// # Errors
    /// It lacks one of them, or they do not belong together.
    pub(super) fn from_pem(path: &Path, text: &[u8]) -> Result<Self, TlsError> {
        let chain = certificates(path, text)?;
        let key = PrivateKeyDer::from_pem_slice(text).map_err(pem("private key", path))?;
        Self::new(chain, key)
    }

    /// The chain, leaf first.
    pub(super) fn chain(&self) -> Arc<CertifiedKey> {
        self.served.load_full()
    }

    /// Staples `response` from now on; nothing when it is empty.
    pub(super) fn set_staple(&self, response: Vec<u8>) {
        let current = self.served.load_full();
        let mut next = CertifiedKey::new(current.cert.clone(), Arc::clone(&current.key));
        next.ocsp = (!response.is_empty()).then_some(response);
        self.served.store(Arc::new(next));
    }
}

/// All certificates in a PEM file; at least one.
pub(super) fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    certificates(path, &bounded(path)?)
}

fn certificates(path: &Path, text: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    CertificateDer::pem_slice_iter(text)
        .collect::<Result<Vec<_>, _>>()
        .and_then(|chain| match chain.is_empty() {
            true => Err(rustls_pki_types::pem::Error::NoItemsFound),
            false => Ok(chain),
        })
        .map_err(pem("certificate", path))
}

/// A file's content, unless it is far too large.
pub(super) fn bounded(path: &Path) -> Result<Vec<u8>, TlsError> {
    let file = |source| TlsError::File {
        path: path.to_owned(),
        source,
    };
    let length = fs::metadata(path).map_err(file)?.len();
    if length > MOST_PEM {
        return Err(file(std::io::Error::from(std::io::ErrorKind::FileTooLarge)));
    }
    fs::read(path).map_err(file)
}

pub(super) fn pem(
    what: &'static str,
    path: &Path,
) -> impl FnOnce(rustls_pki_types::pem::Error) -> TlsError {
    let path = path.to_owned();
    move |source| TlsError::Pem { what, path, source }
}
