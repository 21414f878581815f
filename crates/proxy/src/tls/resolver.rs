//! Which certificate a handshake gets.

use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::challenge::{Challenges, asks_for_proof};
use super::names::Names;
use super::set::Set;

/// Certificates by name.
#[derive(Debug, Default)]
pub(super) struct Table {
    pub(super) names: Names<Arc<Set>>,
    /// For visitors who name no site of ours.
    pub(super) fallback: Option<Arc<Set>>,
    /// All sets, each once.
    pub(super) sets: Vec<Arc<Set>>,
}

impl Table {
    fn find(&self, name: Option<&str>) -> Option<&Arc<Set>> {
        match name {
            Some(name) => self.names.find(name),
            None => self.names.any(),
        }
        .or(self.fallback.as_ref())
    }
}

/// Looks at the table of the moment.
#[derive(Debug)]
pub(super) struct Resolver {
    pub(super) table: Arc<ArcSwap<Table>>,
    pub(super) challenges: Arc<Challenges>,
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name().map(lower);
        let name = name.as_deref();
        if asks_for_proof(&hello) {
            return self.challenges.certificate(name?);
        }
        self.table
            .load()
            .find(name)?
            .choose(name, hello.signature_schemes())
    }
}

/// rustls has checked that it is a DNS name; most are in lower case already.
fn lower(name: &str) -> std::borrow::Cow<'_, str> {
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        name.to_ascii_lowercase().into()
    } else {
        name.into()
    }
}
