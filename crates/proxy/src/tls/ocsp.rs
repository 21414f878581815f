//! OCSP stapling (RFC 6960, RFC 6066 8): certificates that name a responder are shown with its fresh
//! word that they are not revoked, so that visitors need not ask it.
//!
//! Answers are kept in memory and asked for again at half of their time. An answer that is not
//! signed properly, not about our certificate, or not `good` is never shown.

mod der;
mod request;
mod response;

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{Request, StatusCode};
use http_body_util::Full;
use jiff::{SignedDuration, Timestamp};

use super::credential::Credential;
use super::error::chain;
use super::fetch::{FetchError, fetch};
use super::resolver::Table;
pub(super) use request::CertificateId;
use response::{ResponseError, Validity};

/// Responders asked at a time.
const AT_A_TIME: usize = 8;
/// The first pause after a failure; each further one is twice as long.
const FIRST_PAUSE: SignedDuration = SignedDuration::from_secs(60);
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_hours(1);
/// However short-lived an answer is.
const SHORTEST_PAUSE: SignedDuration = SignedDuration::from_secs(60);
/// However long-lived an answer is.
const LONGEST_TRUST: SignedDuration = SignedDuration::from_hours(24 * 3);

/// What is known about a certificate's state.
#[derive(Debug, Clone, Default)]
pub(super) struct Staple {
    /// Until when the answer is good that is shown.
    pub(super) good_until: Option<Timestamp>,
    /// When the responder is asked again.
    pub(super) next_try: Option<Timestamp>,
    /// Why it gave no answer that can be used.
    pub(super) last_error: Option<String>,
    failures: u32,
}

/// Why there is no answer to show.
#[derive(Debug, thiserror::Error)]
enum StapleError {
    #[error("the chain holds no issuer: the responder cannot be asked")]
    NoIssuer,
    #[error("the responder answered {0}")]
    Status(StatusCode),
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error(transparent)]
    Response(#[from] ResponseError),
}

/// Asks for every answer that is due.
pub(super) async fn refresh(table: &Table) {
    let now = Timestamp::now();
    let due: Vec<Arc<Credential>> = table
        .sets
        .iter()
        .flat_map(|set| {
            set.current
                .load()
                .iter()
                .map(Arc::clone)
                .collect::<Vec<_>>()
        })
        .filter(|one| one.facts.ocsp_url.is_some() && is_due(one, now))
        .collect();
    stream::iter(due)
        .for_each_concurrent(AT_A_TIME, |credential| async move {
            refresh_one(&credential).await;
        })
        .await;
}

fn is_due(credential: &Credential, now: Timestamp) -> bool {
    let next_try = credential.staple.lock().next_try;
    next_try.is_none_or(|next_try| next_try <= now)
}

async fn refresh_one(credential: &Credential) {
    let outcome = ask(credential).await;
    let now = Timestamp::now();
    let mut staple = credential.staple.lock();
    match outcome {
        Ok((response, validity)) => {
            staple.failures = 0;
            staple.last_error = None;
            staple.good_until = validity.until;
            staple.next_try = Some(next_after(&validity, now));
            drop(staple);
            credential.set_staple(response);
        }
        Err(error) => {
            let text = chain(&error);
            let news = staple.last_error.as_ref() != Some(&text);
            staple.last_error = Some(text.clone());
            let mut next = now + pause(staple.failures);
            // What is shown is taken away when its time is over.
            if let Some(until) = staple.good_until.filter(|until| *until > now) {
                next = next.min(until);
            }
            staple.next_try = Some(next);
            staple.failures = staple.failures.saturating_add(1);
            let revoked = matches!(error, StapleError::Response(ResponseError::Revoked));
            if revoked || staple.good_until.is_some_and(|until| until <= now) {
                staple.good_until = None;
                credential.set_staple(Vec::new());
            }
            drop(staple);
            if news {
                let name = credential.facts.names.first().map_or("?", String::as_str);
                tracing::warn!("no OCSP answer for the certificate of `{name}`: {text}");
            }
        }
    }
}

async fn ask(credential: &Credential) -> Result<(Vec<u8>, Validity), StapleError> {
    let served = credential.chain();
    let [certificate, issuer, ..] = served.cert.as_slice() else {
        return Err(StapleError::NoIssuer);
    };
    let id = CertificateId::new(certificate, issuer).ok_or(StapleError::NoIssuer)?;
    let url = credential.facts.ocsp_url.clone().unwrap_or_default();
    let message = Request::post(&url)
        .header(CONTENT_TYPE, "application/ocsp-request")
        .header(ACCEPT, "application/ocsp-response")
        .body(Full::new(Bytes::from(id.request())))
        .map_err(|_| FetchError::Url(url))?;
    let answer = fetch(message, None).await?;
    if answer.status() != StatusCode::OK {
        return Err(StapleError::Status(answer.status()));
    }
    let response = answer.into_body().to_vec();
    let validity = response::verify(&response, &id, issuer, Timestamp::now())?;
    Ok((response, validity))
}

/// Half of the answer's time, so that a responder may be out of order for the other half.
fn next_after(validity: &Validity, now: Timestamp) -> Timestamp {
    let half = match validity.until {
        Some(until) => until.duration_since(validity.from) / 2,
        None => LONGEST_PAUSE,
    };
    let next = validity.from + half.min(LONGEST_TRUST);
    next.max(now + SHORTEST_PAUSE)
}

fn pause(failures: u32) -> SignedDuration {
    let factor = 1_i32 << failures.min(10);
    (FIRST_PAUSE * factor).min(LONGEST_PAUSE)
}
