//! `[proxy.tls]`.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Where the certificate comes from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TlsMode {
    /// From an authority that this proxy makes for itself; browsers trust it once its certificate
    /// is added to them. For development.
    #[default]
    LocalAuthority,
    /// From PEM files.
    Files,
}

/// Section `[proxy.tls]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TlsSettings {
    /// `local-authority` or `files`.
    pub mode: TlsMode,
    /// Where the local authority keeps its keys and certificates.
    pub directory: PathBuf,
    /// PEM file with the certificate and its chain (mode `files`).
    pub certificate: Option<PathBuf>,
    /// PEM file with its private key (mode `files`).
    pub key: Option<PathBuf>,
}

impl Default for TlsSettings {
    fn default() -> Self {
        Self {
            mode: TlsMode::default(),
            directory: PathBuf::from(".kiuas/tls"),
            certificate: None,
            key: None,
        }
    }
}
