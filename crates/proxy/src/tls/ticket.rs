//! Keys of session tickets (RFC 5077, RFC 8446 4.6.1): shared by all threads, replaced every few
//! hours, and handed to the next process by an upgrade, so that visitors resume there.
//!
//! A ticket is `key name, 16 bytes ‖ nonce, 12 bytes ‖ AES-256-GCM(session)`. The associated data
//! names the terms under which the session was made (above all, which authority its client
//! certificate came from): a ticket is worthless under other terms.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use rustls::server::ProducesTickets;

const NAME: usize = 16;
const NONCE: usize = 12;
const SECRET: usize = 32;
/// A key makes tickets for so long, and opens them for two such spans more.
const ROTATE_EVERY: SignedDuration = SignedDuration::from_hours(6);
/// What visitors are told: no ticket lives longer than the keys that open it.
const LIFETIME_SECS: u32 = 12 * 3600;
/// The current one and two before it.
const MOST_KEYS: usize = 3;
/// First byte of the state that is handed over.
const STATE_VERSION: u8 = 1;
const STATE_KEY: usize = NAME + SECRET + 8;

/// One key.
struct Key {
    name: [u8; NAME],
    secret: [u8; SECRET],
    made_at: Timestamp,
    cipher: RandomizedNonceKey,
}

impl Key {
    fn new(name: [u8; NAME], secret: [u8; SECRET], made_at: Timestamp) -> Option<Self> {
        Some(Self {
            name,
            secret,
            made_at,
            cipher: RandomizedNonceKey::new(&AES_256_GCM, &secret).ok()?,
        })
    }

    fn generate(now: Timestamp) -> Option<Self> {
        let (mut name, mut secret) = ([0; NAME], [0; SECRET]);
        aws_lc_rs::rand::fill(&mut name).ok()?;
        aws_lc_rs::rand::fill(&mut secret).ok()?;
        Self::new(name, secret, now)
    }
}

/// The keys, newest first.
pub struct TicketKeys {
    keys: ArcSwap<Vec<Arc<Key>>>,
    rotating: Mutex<()>,
}

/// Says how many there are; the keys are secret.
impl fmt::Debug for TicketKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TicketKeys({})", self.keys.load().len())
    }
}

impl TicketKeys {
    /// With one new key; `None` if the system has no randomness.
    #[must_use]
    pub fn new() -> Option<Self> {
        Some(Self {
            keys: ArcSwap::from_pointee(vec![Arc::new(Key::generate(Timestamp::now())?)]),
            rotating: Mutex::new(()),
        })
    }

    /// The keys for the process that takes over. Whoever reads this can read recorded TLS 1.2 traffic:
    /// it goes through a socket between the two processes and nowhere else.
    #[must_use]
    pub fn export(&self) -> Vec<u8> {
        let keys = self.keys.load();
        let mut state = Vec::with_capacity(1 + keys.len() * STATE_KEY);
        state.push(STATE_VERSION);
        for key in keys.iter() {
            state.extend_from_slice(&key.name);
            state.extend_from_slice(&key.secret);
            state.extend_from_slice(&key.made_at.as_second().to_be_bytes());
        }
        state
    }

    /// Takes over what [`Self::export`] gave. False, and nothing changed, if that is not what it is.
    #[must_use]
    pub fn import(&self, state: &[u8]) -> bool {
        let Some(keys) = parse(state) else {
            return false;
        };
        let _turn = self.rotating.lock();
        self.keys.store(Arc::new(keys));
        true
    }

    /// A key that is still to make tickets. Whoever comes when it is due makes the next one.
    fn current(&self, now: Timestamp) -> Option<Arc<Key>> {
        let newest = Arc::clone(self.keys.load().first()?);
        if now.duration_since(newest.made_at) >= ROTATE_EVERY
            && let Some(_turn) = self.rotating.try_lock()
        {
            return self.rotate(now);
        }
        Some(newest)
    }

    fn rotate(&self, now: Timestamp) -> Option<Arc<Key>> {
        let keys = self.keys.load();
        let newest = keys.first()?;
        if now.duration_since(newest.made_at) < ROTATE_EVERY {
            return Some(Arc::clone(newest));
        }
        let next = Arc::new(Key::generate(now)?);
        let mut rotated = vec![Arc::clone(&next)];
        rotated.extend(keys.iter().take(MOST_KEYS - 1).map(Arc::clone));
        self.keys.store(Arc::new(rotated));
        Some(next)
    }

    fn seal(&self, message: &[u8], terms: &[u8], now: Timestamp) -> Option<Vec<u8>> {
        let key = self.current(now)?;
        let mut sealed = message.to_vec();
        let nonce = key
            .cipher
            .seal_in_place_append_tag(Aad::from(terms), &mut sealed)
            .ok()?;
        let mut ticket = Vec::with_capacity(NAME + NONCE + sealed.len());
        ticket.extend_from_slice(&key.name);
        ticket.extend_from_slice(nonce.as_ref());
        ticket.extend_from_slice(&sealed);
        Some(ticket)
    }

    fn open(&self, ticket: &[u8], terms: &[u8], now: Timestamp) -> Option<Vec<u8>> {
        let (name, rest) = ticket.split_at_checked(NAME)?;
        let (nonce, sealed) = rest.split_at_checked(NONCE)?;
        let keys = self.keys.load();
        // Names are public: visitors carry them.
        let key = keys.iter().find(|key| key.name == name)?;
        if now.duration_since(key.made_at) >= ROTATE_EVERY * 3 {
            return None;
        }
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut message = sealed.to_vec();
        let length = key
            .cipher
            .open_in_place(nonce, Aad::from(terms), &mut message)
            .ok()?
            .len();
        message.truncate(length);
        Some(message)
    }
}

fn parse(state: &[u8]) -> Option<Vec<Arc<Key>>> {
    let (version, rest) = state.split_first()?;
    let (records, tail) = rest.as_chunks::<STATE_KEY>();
    if *version != STATE_VERSION || !tail.is_empty() || !(1..=MOST_KEYS).contains(&records.len()) {
        return None;
    }
    records
        .iter()
        .map(|record| {
            let (name, rest) = record.split_first_chunk::<NAME>()?;
            let (secret, rest) = rest.split_first_chunk::<SECRET>()?;
            let (seconds, _) = rest.split_first_chunk::<8>()?;
            let made_at = Timestamp::from_second(i64::from_be_bytes(*seconds)).ok()?;
            Key::new(*name, *secret, made_at).map(Arc::new)
        })
        .collect()
}

/// Makes tickets that are good under the same terms only.
#[derive(Debug)]
pub(super) struct Tickets {
    keys: Arc<TicketKeys>,
    terms: Vec<u8>,
}

impl Tickets {
    pub(super) fn new(keys: &Arc<TicketKeys>, terms: Vec<u8>) -> Self {
        Self {
            keys: Arc::clone(keys),
            terms,
        }
    }
}

impl ProducesTickets for Tickets {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        LIFETIME_SECS
    }

    fn encrypt(&self, message: &[u8]) -> Option<Vec<u8>> {
        self.keys.seal(message, &self.terms, Timestamp::now())
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        self.keys.open(ticket, &self.terms, Timestamp::now())
    }
}

#[cfg(test)]
mod tests;
