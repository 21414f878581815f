//! What protects the sites and is kept over reloads: buckets of tokens, counters of addresses.

use std::sync::OnceLock;

use crate::rate::Buckets;

/// Shared by all threads.
#[derive(Debug, Default)]
pub struct Protection {
    buckets: OnceLock<Buckets>,
}

impl Protection {
    /// The buckets; two megabytes from the first use on.
    pub fn buckets(&self) -> &Buckets {
        self.buckets.get_or_init(Buckets::default)
    }
}
