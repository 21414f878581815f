//! Sessions: who a visitor is between two requests.
//!
//! The state is a small map in Redis (`session:<key>`, database of sessions and cache); the cookie
//! carries its signed key, `HttpOnly`, `SameSite=Lax`, and `Secure` when the request came by HTTPS. Two
//! requests of one visitor that change the session at the same time: the later one wins as a whole.

mod store;

use actix_session::config::{CookieContentSecurity, PersistentSession};
use actix_session::{Session, SessionGetError, SessionInsertError, SessionMiddleware};
use actix_web::cookie::{Key, SameSite, time};
use hmac::{Hmac, KeyInit, Mac};
use kiuas_common::redis::Redis;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::Sha256;

use crate::settings::{SecretKey, WebSettings};

pub use store::Store;

/// Name of the session's cookie.
pub const COOKIE: &str = "session";

const USER: &str = "user";

/// Remembers `user` as signed in. The session gets a new key, so that a key which somebody planted
/// before is worth nothing, and a new CSRF seed.
///
/// # Errors
/// `user` cannot be written as JSON.
pub fn sign_in<T: Serialize>(session: &Session, user: T) -> Result<(), SessionInsertError> {
    session.renew();
    session.remove(crate::csrf::SEED);
    session.insert(USER, user)
}

/// Who is signed in, if anybody.
///
/// # Errors
/// What [`sign_in`] stored is no `T`.
pub fn user<T: DeserializeOwned>(session: &Session) -> Result<Option<T>, SessionGetError> {
    session.get(USER)
}

/// Forgets the whole session, here and in Redis.
pub fn sign_out(session: &Session) {
    session.purge();
}

/// The middleware that loads and saves sessions.
pub(crate) fn middleware(settings: &WebSettings, redis: Redis) -> SessionMiddleware<Store> {
    let lifetime = settings.session_lifetime.duration().as_secs();
    let lifetime = time::Duration::seconds(i64::try_from(lifetime).unwrap_or(i64::MAX));
    SessionMiddleware::builder(Store::new(redis), cookie_key(&settings.secret_key))
        .cookie_name(COOKIE.to_owned())
        .cookie_http_only(true)
        .cookie_same_site(SameSite::Lax)
        // The boundary adds `Secure` where it applies: it knows how the request arrived.
        .cookie_secure(settings.secure_cookies)
        .cookie_content_security(CookieContentSecurity::Signed)
        .session_lifecycle(PersistentSession::default().session_ttl(lifetime))
        .build()
}

/// 64 bytes of key material for cookies alone, so that no other use of the secret can forge one.
fn cookie_key(secret: &SecretKey) -> Key {
    let mut material = [0; 64];
    for (half, label) in material.chunks_exact_mut(32).zip(["cookie 1", "cookie 2"]) {
        half.copy_from_slice(&derive(secret, label.as_bytes()));
    }
    Key::from(&material)
}

/// HMAC-SHA256 of `label` under the secret.
pub(crate) fn derive(secret: &SecretKey, label: &[u8]) -> [u8; 32] {
    #[expect(clippy::expect_used, reason = "HMAC takes keys of every length")]
    let mut mac =
        Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of every length");
    mac.update(label);
    mac.finalize().into_bytes().into()
}
