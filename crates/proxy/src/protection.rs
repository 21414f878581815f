//! What protects the sites and is kept over reloads: buckets of tokens, counters of addresses.

use std::sync::{Arc, OnceLock};

use crate::crowd::Crowd;
use crate::rate::Buckets;

/// Shared by all threads.
#[derive(Debug, Default)]
pub struct Protection {
    buckets: OnceLock<Buckets>,
    /// Connections of each address.
    pub connections: Arc<Crowd>,
    /// Requests at work of each address.
    pub requests: Arc<Crowd>,
}

impl Protection {
    /// The buckets; two megabytes from the first use on.
    pub fn buckets(&self) -> &Buckets {
        self.buckets.get_or_init(Buckets::default)
    }
}
