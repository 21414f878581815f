//! Why there is no TLS.

use std::error::Error;
use std::io;
use std::path::PathBuf;

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A PEM file cannot be read or holds nothing of the kind.
    #[error("cannot read the {what} in {}", path.display())]
    Pem {
        /// `certificate`, `private key` and the like.
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
    /// It is no X.509 certificate.
    #[error("the certificate is no X.509 certificate")]
    Certificate,
    /// Two files do not make a certificate with its key.
    #[error("cannot use the certificate in {} with the key in {}", certificate.display(), key.display())]
    Pair {
        /// File of the certificate.
        certificate: PathBuf,
        /// File of the key.
        key: PathBuf,
        /// Why not.
        #[source]
        source: Box<TlsError>,
    },
    /// Visitors' certificates cannot be verified.
    #[error("cannot verify visitors' certificates by {}", path.display())]
    Verifier {
        /// File of the authorities.
        path: PathBuf,
        /// Why not.
        #[source]
        source: rustls::server::VerifierBuilderError,
    },
    /// The operating system gives no random bytes.
    #[error("the operating system gives no random bytes")]
    Randomness,
}

/// An error and its causes in one line. Some print their cause themselves: that is not said twice.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.ends_with(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        cause = error.source();
    }
    text
}
