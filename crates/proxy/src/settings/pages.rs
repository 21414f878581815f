//! `[proxy.pages]`: own pages for errors and maintenance.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Pages of all sites; a site may have its own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PagesSettings {
    /// Holds `404.html`, `4xx.html`, `5xx.html` and so on.
    pub directory: Option<PathBuf>,
}
