//! The handshake of a WebSocket (RFC 6455 4) where we begin it ourselves: a visitor who comes over
//! HTTP/2 sends no key (RFC 8441 5).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::SEC_WEBSOCKET_ACCEPT;
use sha1::{Digest, Sha1};

const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Where the key of the handshake comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Handshake {
    /// From the visitor, who looks at the answer to it.
    Visitors,
    /// From us.
    Ours(String),
}

impl Handshake {
    /// With a new key (4.1, 7).
    #[must_use]
    pub fn ours() -> Self {
        Self::Ours(STANDARD.encode(rand::random::<[u8; 16]>()))
    }

    /// True if a 101 with these fields answers this handshake (4.1, the client's fourth rule): not a
    /// cached answer, nor one of a server that knows nothing of WebSockets.
    #[must_use]
    pub fn is_answered_by(&self, headers: &HeaderMap) -> bool {
        match self {
            Self::Visitors => true,
            Self::Ours(key) => headers
                .get(SEC_WEBSOCKET_ACCEPT)
                .is_some_and(|value| value.as_bytes() == accept(key).as_bytes()),
        }
    }
}

fn accept(key: &str) -> String {
    let mut hash = Sha1::new();
    hash.update(key.as_bytes());
    hash.update(GUID);
    STANDARD.encode(hash.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_to_a_key_is_known() {
        // RFC 6455 1.3.
        let key = "dGhlIHNhbXBsZSBub25jZQ==";
        assert_eq!(accept(key), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        let ours = Handshake::Ours(key.to_owned());
        let mut headers = HeaderMap::new();
        assert!(!ours.is_answered_by(&headers));
        headers.insert(SEC_WEBSOCKET_ACCEPT, accept(key).parse().expect("value"));
        assert!(ours.is_answered_by(&headers));
        assert!(!Handshake::ours().is_answered_by(&headers));
    }
}
