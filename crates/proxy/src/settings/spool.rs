//! `[proxy.spool]`: where request bodies wait until they are complete.

use std::path::PathBuf;

use kiuas_common::Bytes;
use serde::{Deserialize, Serialize};

/// Request bodies are taken in whole before an application gets them, so that a slow visitor never
/// keeps one waiting.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SpoolSettings {
    /// So much of a body is kept in memory, the rest of it in a file.
    pub memory: Bytes,
    /// So much of all bodies together; files take the rest.
    pub memory_total: Bytes,
    /// Directory of these files, which have no names; the system's for temporary files by default.
    pub directory: Option<PathBuf>,
    /// All these files together; 507 above.
    pub total: Bytes,
}

impl Default for SpoolSettings {
    fn default() -> Self {
        Self {
            memory: Bytes(64 << 10),
            memory_total: Bytes::mebibytes(128),
            directory: None,
            total: Bytes::mebibytes(1024),
        }
    }
}
