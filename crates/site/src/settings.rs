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

/// `app.base_url` would make links that lead nowhere.
#[derive(Debug, thiserror::Error)]
#[error(
    "`app.base_url` = `{0}` is no address of a site: write https://polls.example.org, without a slash at the end"
)]
pub(crate) struct BaseUrlError(String);

impl AppSettings {
    /// Checks what a type cannot express.
    pub(crate) fn check(&self) -> Result<(), BaseUrlError> {
        let host = ["http://", "https://"]
            .iter()
            .find_map(|scheme| self.base_url.strip_prefix(scheme));
        if host.is_some_and(|host| !host.is_empty() && !host.ends_with('/')) {
            Ok(())
        } else {
            Err(BaseUrlError(self.base_url.clone()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_need_an_address_without_a_slash_at_the_end() {
        let check = |text: &str| {
            let base_url = text.to_owned();
            AppSettings {
                base_url,
                ..AppSettings::default()
            }
            .check()
        };
        assert!(AppSettings::default().check().is_ok());
        for text in [
            "",
            "polls.example.org",
            "https://",
            "https://polls.example.org/",
        ] {
            assert!(check(text).is_err(), "{text}");
        }
    }
}
