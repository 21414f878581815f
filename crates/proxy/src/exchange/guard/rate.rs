//! How often one may ask.

use std::time::Duration;

use http::header::{COOKIE, HeaderName, RETRY_AFTER};
use http::request::Parts;
use http::{HeaderMap, HeaderValue};

use super::super::action::Wanted;
use super::super::notes::Notes;
use crate::fault::Fault;
use crate::plan::{Limit, RateKey, path};
use crate::rate::{Buckets, Taken, of_address};

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// Takes a token of each limit; waits where bursts are spread out.
pub(super) async fn check(
    limits: &[Limit],
    wanted: &Wanted<'_>,
    parts: &Parts,
    notes: &mut Notes<'_>,
) -> Result<(), Fault> {
    if limits.is_empty() {
        return Ok(());
    }
    let buckets = wanted.connection.worker.shared.protection.buckets();
    let mut wait = Duration::ZERO;
    for limit in limits {
        if limit.spares(wanted.visitor.address) {
            continue;
        }
        let Some(taken) = take(buckets, limit, wanted, parts) else {
            continue;
        };
        if limit.announce || (!taken.granted && !limit.dry_run) {
            announce(limit, taken, &mut notes.fields);
        }
        if taken.granted {
            if limit.delay {
                wait = wait.max(taken.wait);
            }
        } else if limit.dry_run {
            tracing::info!(
                limit.key = limit.name,
                "a request is above the limit of a dry run"
            );
        } else {
            let seconds = taken.wait.as_secs() + u64::from(taken.wait.subsec_nanos() > 0);
            notes
                .fields
                .insert(RETRY_AFTER, HeaderValue::from(seconds.max(1)));
            return Err(Fault::TooMany(limit.status));
        }
    }
    if !wait.is_zero() {
        Box::pin(tokio::time::sleep(wait)).await;
    }
    Ok(())
}

/// `None` if the request has no key.
fn take(buckets: &Buckets, limit: &Limit, wanted: &Wanted<'_>, parts: &Parts) -> Option<Taken> {
    let quota = limit.quota;
    Some(match &limit.key {
        RateKey::Address => buckets.take(limit.id, of_address(wanted.visitor.address?), quota),
        RateKey::Header(name) => buckets.take(limit.id, parts.headers.get(name)?, quota),
        RateKey::Cookie(name) => buckets.take(limit.id, cookie(&parts.headers, name)?, quota),
        RateKey::Host => buckets.take(limit.id, wanted.host.name.as_str(), quota),
        RateKey::Path => buckets.take(limit.id, path::normal(parts.uri.path()), quota),
        RateKey::All => buckets.take(limit.id, (), quota),
    })
}

/// RFC 6265 5.4: `name=value` pairs.
fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a [u8]> {
    headers
        .get_all(COOKIE)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b';'))
        .find_map(|pair| {
            pair.trim_ascii()
                .strip_prefix(name.as_bytes())?
                .strip_prefix(b"=")
        })
}

/// draft-ietf-httpapi-ratelimit-headers: what the limit is, and what is left of it.
fn announce(limit: &Limit, taken: Taken, fields: &mut HeaderMap) {
    let up = |duration: Duration| duration.as_secs() + u64::from(duration.subsec_nanos() > 0);
    let size = limit.quota.size();
    let window = limit
        .quota
        .every
        .saturating_mul(u32::try_from(size).unwrap_or(u32::MAX));
    let name = &limit.name;
    let policy = format!("\"{name}\";q={size};w={}", up(window));
    let state = format!("\"{name}\";r={};t={}", taken.left, up(taken.full_in));
    for (field, text) in [(RATE_LIMIT_POLICY, policy), (RATE_LIMIT, state)] {
        if let Ok(value) = HeaderValue::from_str(&text) {
            fields.append(field, value);
        }
    }
}
