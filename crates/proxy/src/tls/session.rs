//! What a handshake agreed on, for the access log.

use rustls::{CipherSuite, ProtocolVersion, ServerConnection};

/// What a handshake agreed on, in the names that OpenSSL and nginx use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Session {
    /// `TLSv1.3`.
    pub version: &'static str,
    /// `TLS_AES_128_GCM_SHA256`, as IANA writes it.
    pub cipher: &'static str,
}

impl Session {
    /// `None` before the handshake is over.
    #[must_use]
    pub fn of(connection: &ServerConnection) -> Option<Self> {
        let version = match connection.protocol_version()? {
            ProtocolVersion::TLSv1_3 => "TLSv1.3",
            ProtocolVersion::TLSv1_2 => "TLSv1.2",
            _ => "unknown",
        };
        let cipher = match connection.negotiated_cipher_suite()?.suite() {
            // rustls has names of its own for these.
            CipherSuite::TLS13_AES_128_GCM_SHA256 => "TLS_AES_128_GCM_SHA256",
            CipherSuite::TLS13_AES_256_GCM_SHA384 => "TLS_AES_256_GCM_SHA384",
            CipherSuite::TLS13_CHACHA20_POLY1305_SHA256 => "TLS_CHACHA20_POLY1305_SHA256",
            other => other.as_str().unwrap_or("unknown"),
        };
        Some(Self { version, cipher })
    }
}
