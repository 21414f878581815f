//! Password hashes: argon2id, computed on blocking threads, only a few at a time.
//!
//! A hash takes 19 MiB and tens of milliseconds on purpose. Without a bound a burst of sign-ins would
//! take all memory and all cores, so what does not get its turn in time is refused instead.

use std::sync::Arc;
use std::time::Duration;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

const AT_ONCE: usize = 4;
const PATIENCE: Duration = Duration::from_secs(10);

/// Why there is no answer about a password.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PasswordError {
    #[error("too many passwords are being checked at once")]
    Busy,
    #[error("cannot hash a password")]
    Hash(#[source] argon2::password_hash::Error),
    #[error("the thread that hashed a password ended early")]
    Thread(#[source] tokio::task::JoinError),
}

/// Hashes and verifies. Clones share one bound.
#[derive(Debug, Clone)]
pub(crate) struct Passwords {
    permits: Arc<Semaphore>,
    /// The hash of a password that nobody has, for e-mails that nobody has.
    decoy: Arc<str>,
}

impl Passwords {
    pub(crate) async fn new() -> Result<Self, PasswordError> {
        let nobodys = format!("{:032x}", rand::random::<u128>());
        let decoy = blocking(move || hash(&nobodys)).await??;
        Ok(Self {
            permits: Arc::new(Semaphore::new(AT_ONCE)),
            decoy: decoy.into(),
        })
    }

    /// The PHC string to store.
    pub(crate) async fn hash(&self, password: String) -> Result<String, PasswordError> {
        let permit = self.permit().await?;
        blocking(move || {
            let _held = permit;
            hash(&password)
        })
        .await?
    }

    /// Whether `password` is the one that `stored` was made of. For an author who does not exist
    /// `stored` is `None`: that takes as long, and the answer is no.
    pub(crate) async fn verify(
        &self,
        password: String,
        stored: Option<String>,
    ) -> Result<bool, PasswordError> {
        let permit = self.permit().await?;
        let exists = stored.is_some();
        let stored = stored.unwrap_or_else(|| self.decoy.to_string());
        let matches = blocking(move || {
            let _held = permit;
            matches(&password, &stored)
        })
        .await??;
        Ok(matches & exists)
    }

    async fn permit(&self) -> Result<OwnedSemaphorePermit, PasswordError> {
        let permit = tokio::time::timeout(PATIENCE, self.permits.clone().acquire_owned()).await;
        // The semaphore is never closed, so its own error cannot occur.
        permit.ok().and_then(Result::ok).ok_or(PasswordError::Busy)
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, PasswordError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(PasswordError::Thread)
}

fn hash(password: &str) -> Result<String, PasswordError> {
    Argon2::default()
        .hash_password(password.as_bytes())
        .map(|hash| hash.to_string())
        .map_err(PasswordError::Hash)
}

fn matches(password: &str, stored: &str) -> Result<bool, PasswordError> {
    use argon2::password_hash::Error;

    let stored = PasswordHash::new(stored).map_err(|error| PasswordError::Hash(error.into()))?;
    match Argon2::default().verify_password(password.as_bytes(), &stored) {
        Ok(()) => Ok(true),
        Err(Error::PasswordInvalid) => Ok(false),
        Err(error) => Err(PasswordError::Hash(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_right_password_matches() {
        let passwords = Passwords::new().await.expect("decoy");
        let stored = passwords
            .hash("a long secret".to_owned())
            .await
            .expect("hash");
        assert!(stored.starts_with("$argon2id$"), "{stored}");
        let verify = |text: &str| passwords.verify(text.to_owned(), Some(stored.clone()));
        assert!(verify("a long secret").await.expect("answer"));
        assert!(!verify("a long Secret").await.expect("answer"));
    }

    #[tokio::test]
    async fn nobody_has_no_password() {
        let passwords = Passwords::new().await.expect("decoy");
        let answer = passwords.verify("anything at all".to_owned(), None).await;
        assert!(!answer.expect("answer"));
    }

    #[tokio::test]
    async fn a_broken_hash_is_an_error_and_no_match() {
        assert!(matches("password", "not a hash").is_err());
    }
}
