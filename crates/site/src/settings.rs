//! Section `[app]`: the application's own settings.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Section `[app]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct AppSettings {
    /// Where visitors find the site, without a slash at the end: for links in mails.
    pub(crate) base_url: String,
    /// Directory of `/static/`, for `site serve` without a proxy in front. Absent: not served, because
    /// the proxy does it.
    pub(crate) static_files: Option<PathBuf>,
}

impl Default for AppSettings {
    fn default() -> Self {
        Self {
            base_url: "http://127.0.0.1:8080".to_owned(),
            static_files: None,
        }
    }
}
