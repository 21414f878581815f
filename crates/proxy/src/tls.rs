//! TLS towards visitors: rustls with aws-lc-rs, TLS 1.2 and 1.3, tickets for resumption, HTTP/2 by
//! ALPN. The certificate may be replaced while connections are open.

mod authority;
mod key_file;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use kiuas_common::Shutdown;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

pub use authority::LocalAuthority;

use crate::settings::{TlsMode, TlsSettings};

/// How often a certificate of the local authority is looked at, and files are read again.
const RENEWAL_EVERY: Duration = Duration::from_secs(3600);

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A PEM file cannot be read or holds nothing of the kind.
    #[error("cannot read the {what} in {}", path.display())]
    Pem {
        /// `certificate` or `private key`.
        what: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: rustls_pki_types::pem::Error,
    },
    /// A file cannot be read or written.
    #[error("cannot use {}", path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A certificate cannot be made.
    #[error("cannot make a certificate")]
    Make(#[source] rcgen::Error),
    /// Certificate and key do not fit each other or the provider.
    #[error("cannot use the certificate")]
    Use(#[source] rustls::Error),
    /// A path is missing in the settings.
    #[error("`proxy.tls.{0}` is not set")]
    Missing(&'static str),
}

/// Where certificates come from, and the current one.
#[derive(Debug)]
pub struct Certificates {
    source: Source,
    current: Arc<Current>,
}

#[derive(Debug)]
enum Source {
    Authority(LocalAuthority),
    Files { certificate: PathBuf, key: PathBuf },
}

impl Source {
    fn load(&self) -> Result<CertifiedKey, TlsError> {
        match self {
            Self::Authority(authority) => authority.certificate(),
            Self::Files { certificate, key } => from_files(certificate, key),
        }
    }
}

impl Certificates {
    /// Reads or makes the certificate; `names` are the hosts that it should be good for.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn new(settings: &TlsSettings, names: &[String]) -> Result<Self, TlsError> {
        let path = |path: &Option<PathBuf>, key| path.clone().ok_or(TlsError::Missing(key));
        let source = match settings.mode {
            TlsMode::LocalAuthority => {
                Source::Authority(LocalAuthority::open(&settings.directory, names)?)
            }
            TlsMode::Files => Source::Files {
                certificate: path(&settings.certificate, "certificate")?,
                key: path(&settings.key, "key")?,
            },
        };
        let current = Arc::new(Current(ArcSwap::from_pointee(source.load()?)));
        Ok(Self { source, current })
    }

    /// What listeners need.
    ///
    /// # Errors
    /// The provider cannot make ticket keys.
    pub fn acceptor(&self) -> Result<TlsAcceptor, TlsError> {
        let resolver: Arc<dyn ResolvesServerCert> = Arc::clone(&self.current) as _;
        let mut server = ServerConfig::builder()
            .with_no_client_auth()
            .with_cert_resolver(resolver);
        server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        server.ticketer = aws_lc_rs::Ticketer::new().map_err(TlsError::Use)?;
        Ok(TlsAcceptor::from(Arc::new(server)))
    }

    /// The file that browsers must be told to trust, if there is one.
    #[must_use]
    pub fn authority_file(&self) -> Option<&Path> {
        match &self.source {
            Source::Authority(authority) => Some(authority.file()),
            Source::Files { .. } => None,
        }
    }

    /// Looks again from time to time, so that an expiring certificate is replaced in time. Open
    /// connections keep the old one.
    pub fn renew_in_background(self, shutdown: &Shutdown) {
        let until = shutdown.clone();
        shutdown.spawn(async move {
            let mut rounds = tokio::time::interval(RENEWAL_EVERY);
            rounds.tick().await;
            loop {
                tokio::select! {
                    _ = rounds.tick() => {}
                    () = until.draining() => return,
                }
                match self.source.load() {
                    Ok(certificate) => self.current.0.store(Arc::new(certificate)),
                    Err(error) => tracing::error!(
                        error = &error as &dyn std::error::Error,
                        "the certificate cannot be renewed, the old one stays in use"
                    ),
                }
            }
        });
    }
}

/// The certificate in use.
#[derive(Debug)]
struct Current(ArcSwap<CertifiedKey>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

fn from_files(certificate: &Path, key: &Path) -> Result<CertifiedKey, TlsError> {
    let pem = |what, path: &Path| {
        let path = path.to_owned();
        move |source| TlsError::Pem { what, path, source }
    };
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .and_then(|chain| match chain.is_empty() {
            true => Err(rustls_pki_types::pem::Error::NoItemsFound),
            false => Ok(chain),
        })
        .map_err(pem("certificate", certificate))?;
    let key = PrivateKeyDer::from_pem_file(key).map_err(pem("private key", key))?;
    CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider()).map_err(TlsError::Use)
}

fn read(path: &Path) -> Result<String, TlsError> {
    fs::read_to_string(path).map_err(|source| TlsError::File {
        path: path.to_owned(),
        source,
    })
}
