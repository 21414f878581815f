//! Protection against requests that another site makes a visitor's browser send.
//!
//! Every POST, PUT, PATCH and DELETE passes two gates: the browser's own word (`Sec-Fetch-Site`,
//! `Origin`) must name this site, and a token that only our pages know must come with it, in the field
//! `csrf_token` of a form or in the header `X-CSRF-Token`. The token is an HMAC over a nonce and a seed
//! in the session; a fresh nonce in each page keeps compression from leaking it.

mod protect;

use actix_session::{Session, SessionGetError, SessionInsertError};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

pub(crate) use protect::Protect;

use crate::session::derive;
use crate::settings::SecretKey;

/// Name of the form field.
pub const FIELD: &str = "csrf_token";
/// Name of the header, for scripts and uploads.
pub const HEADER: &str = "x-csrf-token";

pub(crate) const SEED: &str = "csrf";

const NONCE: usize = 16;
const SIGNATURE: usize = 32;
/// Base64 of nonce and signature.
const TOKEN: usize = (NONCE + SIGNATURE) * 4 / 3;

/// Makes and checks tokens. Handlers take it as `web::Data<Csrf>`.
#[derive(Clone)]
pub struct Csrf {
    key: [u8; 32],
}

impl std::fmt::Debug for Csrf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Csrf")
    }
}

/// Paths without the protection, put into the root's `app_data`: for callers that are no browsers and
/// prove themselves otherwise, such as the web hooks of a payment service.
#[derive(Debug, Clone, Default)]
pub struct Exempt {
    /// A path is exempt if it begins with one of these.
    pub prefixes: Vec<String>,
}

/// Why no token could be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CsrfError {
    /// The seed could not be read.
    #[error("cannot read the CSRF seed from the session")]
    Read(#[from] SessionGetError),
    /// The seed could not be kept.
    #[error("cannot keep the CSRF seed in the session")]
    Keep(#[from] SessionInsertError),
}

impl Csrf {
    pub(crate) fn new(secret: &SecretKey) -> Self {
        Self {
            key: derive(secret, b"csrf"),
        }
    }

    /// A token for a page of this session: the value of a hidden field `csrf_token` in every form.
    /// The first call begins a session if there is none.
    ///
    /// # Errors
    /// The session cannot be read or written.
    pub fn token(&self, session: &Session) -> Result<String, CsrfError> {
        let seed = match session.get::<String>(SEED)? {
            Some(seed) => seed,
            None => {
                let seed = URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>());
                session.insert(SEED, &seed)?;
                seed
            }
        };
        Ok(self.make(&seed))
    }

    fn make(&self, seed: &str) -> String {
        let mut token = rand::random::<[u8; NONCE]>().to_vec();
        let signature = self.sign(&token, seed);
        token.extend_from_slice(&signature);
        URL_SAFE_NO_PAD.encode(token)
    }

    /// True if `token` was made for this session.
    pub(crate) fn verify(&self, seed: &str, token: &str) -> bool {
        if token.len() != TOKEN {
            return false;
        }
        let Ok(bytes) = URL_SAFE_NO_PAD.decode(token) else {
            return false;
        };
        let Some((nonce, signature)) = bytes.split_at_checked(NONCE) else {
            return false;
        };
        self.sign(nonce, seed).ct_eq(signature).into()
    }

    fn sign(&self, nonce: &[u8], seed: &str) -> [u8; SIGNATURE] {
        #[expect(clippy::expect_used, reason = "HMAC takes keys of every length")]
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&self.key).expect("HMAC takes keys of every length");
        mac.update(nonce);
        mac.update(seed.as_bytes());
        mac.finalize().into_bytes().into()
    }
}

#[cfg(test)]
mod tests;
