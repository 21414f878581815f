//! A password is asked for.

use std::time::{Duration, Instant};

use http::HeaderValue;
use http::header::{AUTHORIZATION, RETRY_AFTER, WWW_AUTHENTICATE};
use http::request::Parts;

use super::super::action::Wanted;
use super::super::notes::Notes;
use crate::fault::Fault;
use crate::password::{Credentials, is_basic};
use crate::plan::Password;
use crate::rate::{Quota, of_address};

/// Ten attempts of an address at once, then one every three seconds.
const ATTEMPTS: Quota = Quota {
    every: Duration::from_secs(3),
    burst: 9,
};
/// The limit's number among the others, which are hashes.
const LIMIT: u64 = 1;
/// An attempt that fails takes so long, whatever it failed by.
const FAILURE: Duration = Duration::from_millis(500);

pub(super) async fn check(
    password: &Password,
    wanted: &Wanted<'_>,
    parts: &Parts,
    notes: &mut Notes<'_>,
) -> Result<(), Fault> {
    let Some(credentials) = Credentials::of(&parts.headers) else {
        return Err(challenge(password, notes));
    };
    if password.file.remembers(&credentials) {
        notes.user = Some(credentials.user.into());
        return Ok(());
    }
    let key = wanted.visitor.address.map_or(0, of_address);
    let buckets = wanted.connection.worker.shared.protection.buckets();
    let taken = buckets.take(LIMIT, key, ATTEMPTS);
    if !taken.granted {
        let seconds = taken.wait.as_secs() + 1;
        notes.fields.insert(RETRY_AFTER, HeaderValue::from(seconds));
        return Err(Fault::ManyAttempts);
    }
    let begun = Instant::now();
    let right = password
        .file
        .verify(&credentials)
        .await
        .map_err(|_| Fault::Busy)?;
    if right {
        buckets.give_back(LIMIT, key, ATTEMPTS);
        notes.user = Some(credentials.user.into());
        return Ok(());
    }
    tokio::time::sleep_until((begun + FAILURE).into()).await;
    Err(challenge(password, notes))
}

fn challenge(password: &Password, notes: &mut Notes<'_>) -> Fault {
    notes
        .fields
        .insert(WWW_AUTHENTICATE, password.challenge.clone());
    Fault::Unauthorized
}

/// The application has no use for our password.
pub(super) fn hide(password: &Password, parts: &mut Parts) {
    if !password.pass && is_basic(&parts.headers) {
        parts.headers.remove(AUTHORIZATION);
    }
}
