//! Proofs that an authority asks for while a certificate is on order: a certificate of its own kind
//! in a handshake (RFC 8737) and a file over plain HTTP (RFC 8555 8.3).

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use parking_lot::RwLock;
use rustls::server::ClientHello;
use rustls::sign::CertifiedKey;

use super::{TlsError, placeholder};

/// Protocol of the handshake with the proof in it.
pub(super) const ACME_TLS: &[u8] = b"acme-tls/1";
/// Where the files are.
pub const WELL_KNOWN: &str = "/.well-known/acme-challenge/";

/// True if an authority asks (RFC 8737 3: it offers this protocol and no other).
pub(super) fn asks_for_proof(hello: &ClientHello<'_>) -> bool {
    hello
        .alpn()
        .is_some_and(|mut protocols| protocols.any(|one| one == ACME_TLS))
}

/// What is being proved at the moment: a handful of entries while an order is under way, else none.
#[derive(Debug, Default)]
pub(super) struct Challenges {
    /// So that nothing is locked while there are none.
    pending: AtomicUsize,
    certificates: RwLock<HashMap<String, Arc<CertifiedKey>>>,
    files: RwLock<HashMap<String, Bytes>>,
}

impl Challenges {
    /// The certificate for `name`.
    pub(super) fn certificate(&self, name: &str) -> Option<Arc<CertifiedKey>> {
        if self.pending.load(Ordering::Acquire) == 0 {
            return None;
        }
        self.certificates.read().get(name).cloned()
    }

    /// The file at `path`.
    pub(super) fn file(&self, path: &str) -> Option<Bytes> {
        if self.pending.load(Ordering::Acquire) == 0 {
            return None;
        }
        let token = path.strip_prefix(WELL_KNOWN)?;
        self.files.read().get(token).cloned()
    }

    /// Shows `digest` to handshakes for `name` while the proof lives (RFC 8737 3).
    ///
    /// # Errors
    /// The certificate cannot be made.
    pub(super) fn offer_certificate(
        self: &Arc<Self>,
        name: &str,
        digest: &[u8],
    ) -> Result<Proof, TlsError> {
        let certificate = placeholder::proof(name, digest)?;
        let name = name.to_ascii_lowercase();
        self.certificates.write().insert(name.clone(), certificate);
        Ok(self.proof(Key::Certificate(name)))
    }

    /// Answers requests for `token` while the proof lives.
    pub(super) fn offer_file(self: &Arc<Self>, token: &str, content: &str) -> Proof {
        let content = Bytes::copy_from_slice(content.as_bytes());
        self.files.write().insert(token.to_owned(), content);
        self.proof(Key::File(token.to_owned()))
    }

    fn proof(self: &Arc<Self>, key: Key) -> Proof {
        self.pending.fetch_add(1, Ordering::Release);
        Proof {
            challenges: Arc::clone(self),
            key,
        }
    }
}

#[derive(Debug)]
enum Key {
    Certificate(String),
    File(String),
}

/// A proof that is shown while this lives.
#[derive(Debug)]
pub(super) struct Proof {
    challenges: Arc<Challenges>,
    key: Key,
}

impl Drop for Proof {
    fn drop(&mut self) {
        match &self.key {
            Key::Certificate(name) => drop(self.challenges.certificates.write().remove(name)),
            Key::File(token) => drop(self.challenges.files.write().remove(token)),
        }
        self.challenges.pending.fetch_sub(1, Ordering::Release);
    }
}
