//! `trusted_field`.

use serde::{Deserialize, Serialize};

/// The field that a trusted peer tells the visitor's address by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TrustedField {
    /// `X-Forwarded-For`, a list.
    #[default]
    XForwardedFor,
    /// `Forwarded` (RFC 7239), a list.
    Forwarded,
    /// `X-Real-IP`, one address.
    XRealIp,
}
