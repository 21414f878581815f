//! Sites and upstreams that are being worked on: visitors get 503 and a page, those on a list pass.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;

use crate::plan::Network;

/// Work on a site or an upstream.
#[derive(Debug, Clone)]
pub struct Maintenance {
    /// What visitors are told instead of the usual advice; empty is the usual advice.
    pub message: Arc<str>,
    /// Who passes all the same.
    pub allow: Vec<Network>,
}

impl Maintenance {
    /// True if `client` passes.
    #[must_use]
    pub fn lets_pass(&self, client: Option<IpAddr>) -> bool {
        client.is_some_and(|client| self.allow.iter().any(|one| one.contains(client)))
    }
}

/// The sites that are being worked on, by name. Costs one look while there is none.
#[derive(Debug, Default)]
pub struct ClosedSites {
    any: AtomicBool,
    sites: ArcSwap<HashMap<String, Arc<Maintenance>>>,
}

impl ClosedSites {
    /// The work on `site`.
    #[must_use]
    pub fn of(&self, site: &str) -> Option<Arc<Maintenance>> {
        if !self.any.load(Ordering::Acquire) {
            return None;
        }
        self.sites.load().get(site).map(Arc::clone)
    }

    /// All of them.
    #[must_use]
    pub fn all(&self) -> Arc<HashMap<String, Arc<Maintenance>>> {
        self.sites.load_full()
    }

    /// Begins (`Some`) or ends the work on `site`.
    pub fn set(&self, site: &str, work: Option<Maintenance>) {
        let mut sites = HashMap::clone(&self.sites.load());
        match work {
            Some(work) => drop(sites.insert(site.to_owned(), Arc::new(work))),
            None => drop(sites.remove(site)),
        }
        let any = !sites.is_empty();
        self.sites.store(Arc::new(sites));
        self.any.store(any, Ordering::Release);
    }
}
