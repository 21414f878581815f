//! What was right stays so for a minute, and equal questions at a time are asked once. Passwords are
//! not kept: the key is a keyed hash of name, password and state of the file.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use hmac::{Hmac, KeyInit, Mac};
use parking_lot::RwLock;
use sha2::Sha256;
use tokio::sync::watch;

use super::{Credentials, PasswordFile, queue};

/// How long a result is believed.
const BELIEVED: Duration = Duration::from_secs(60);
/// Results kept for one file.
const MOST: usize = 1024;

/// Too many comparisons wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many passwords wait to be compared")]
pub struct Overloaded;

type Key = [u8; 32];

#[derive(Debug)]
enum State {
    /// Was right at that time.
    Right(Instant),
    /// Is being compared.
    Asked(watch::Receiver<Option<bool>>),
}

/// The results for one file.
#[derive(Debug, Default)]
pub(super) struct Results(RwLock<HashMap<Key, State>>);

impl Results {
    /// True if they were right within the last minute.
    pub(super) fn remember(&self, generation: u64, credentials: &Credentials) -> bool {
        self.is_right(&key(generation, credentials))
    }

    fn is_right(&self, key: &Key) -> bool {
        match self.0.read().get(key) {
            Some(State::Right(since)) => since.elapsed() < BELIEVED,
            _ => false,
        }
    }

    /// Whether `credentials` are right, from memory or by comparison.
    pub(super) async fn of(
        &self,
        file: &Arc<PasswordFile>,
        generation: u64,
        credentials: &Credentials,
    ) -> Result<bool, Overloaded> {
        let key = key(generation, credentials);
        if self.is_right(&key) {
            return Ok(true);
        }
        let mut answer = self.ask(key, file, credentials)?;
        // The sender is dropped without a word only if the comparison panicked.
        let answer = answer
            .wait_for(Option::is_some)
            .await
            .map_err(|_| Overloaded)?;
        Ok(*answer == Some(true))
    }

    /// Forgets everything: the file changed.
    pub(super) fn forget(&self) {
        self.0.write().clear();
    }

    fn ask(
        &self,
        key: Key,
        file: &Arc<PasswordFile>,
        credentials: &Credentials,
    ) -> Result<watch::Receiver<Option<bool>>, Overloaded> {
        let mut states = self.0.write();
        if let Some(State::Asked(answer)) = states.get(&key) {
            return Ok(answer.clone());
        }
        make_room(&mut states);
        let (sender, receiver) = watch::channel(None);
        let asked = Arc::clone(file);
        let credentials = credentials.clone();
        let queued = queue::run(move || {
            let right = asked.compare(&credentials);
            asked.results.note(key, right);
            sender.send_replace(Some(right));
        });
        if !queued {
            return Err(Overloaded);
        }
        states.insert(key, State::Asked(receiver.clone()));
        Ok(receiver)
    }

    fn note(&self, key: Key, right: bool) {
        let mut states = self.0.write();
        if right {
            // If the file changed meanwhile, the key is nobody's any more: the generation is in it.
            states.insert(key, State::Right(Instant::now()));
        } else {
            states.remove(&key);
        }
    }
}

/// Old results go first, then any: they cost a comparison, no more.
fn make_room(states: &mut HashMap<Key, State>) {
    if states.len() < MOST {
        return;
    }
    states.retain(|_, state| match state {
        State::Right(since) => since.elapsed() < BELIEVED,
        State::Asked(_) => true,
    });
    if states.len() >= MOST {
        states.retain(|_, state| matches!(state, State::Asked(_)));
    }
}

/// HMAC with a key of this process: worth nothing outside, not even to guess passwords by.
fn key(generation: u64, credentials: &Credentials) -> Key {
    static SECRET: OnceLock<[u8; 64]> = OnceLock::new();
    let secret = SECRET.get_or_init(rand::random);
    let mut mac = <Hmac<Sha256> as KeyInit>::new(secret.into());
    mac.update(&generation.to_le_bytes());
    // Names hold no colon.
    for part in [
        credentials.user.as_bytes(),
        b":",
        credentials.password.as_bytes(),
    ] {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}
