//! Certificates from an authority that speaks ACME (RFC 8555): ordered, kept, renewed in time.
//!
//! One task on the main thread looks at all certificates every few seconds. Whatever it learns is on
//! disk, so that a restart orders nothing twice and forgets no pause; a lock keeps a second process
//! with the same directory from ordering the same, and it picks up what the first one got.

mod http;
mod order;
mod schedule;
mod store;

use std::path::Path;
use std::sync::Arc;

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use futures_util::{StreamExt, stream};
use instant_acme::{Account, CertificateIdentifier, ExternalAccountKey, NewAccount};
use jiff::{SignedDuration, Timestamp};

use super::credential::{Credential, bounded};
use super::error::chain;
use super::set::Set;
use super::{Tls, TlsError, placeholder};
use crate::plan::{AcmePlan, TlsPlan, TlsSource};
use crate::settings::AcmeChallenge;
use http::Carrier;
use order::{OrderError, Request, order};
pub(super) use schedule::Memory;
use store::{KeptAccount, Store};

/// Orders under way at a time.
const AT_A_TIME: usize = 4;

/// The set for `names` at the start: what is on disk, or a placeholder.
pub(super) fn initial(
    plan: &TlsPlan,
    source: &TlsSource,
    names: &[String],
) -> Result<Set, TlsError> {
    let store = Store::new(plan);
    let bundle = store.bundle(names);
    let set = Set::with_bundle(source.clone(), &bundle);
    if set.current.load().is_empty() {
        let stand_in = match store.load_similar(names) {
            Some(similar) => similar,
            None => placeholder::credential(names)?,
        };
        set.stand_in(stand_in);
        tracing::warn!(
            "there is no certificate for {} yet: a placeholder is shown until it has been ordered",
            names.join(", ")
        );
    }
    Ok(set)
}

/// True if `set` holds what the authority of `plan` gave, or will.
pub(super) fn is_kept(plan: &TlsPlan, set: &Set, names: &[String]) -> bool {
    set.is_kept_in(&Store::new(plan).bundle(names))
}

/// One round: everything that is due.
pub(super) async fn round(tls: &Tls) {
    let plan = Arc::clone(&tls.plan.lock());
    let store = Store::new(&plan);
    let mut due = Vec::new();
    for set in &tls.table.load().sets {
        let TlsSource::Acme(names) = &set.source else {
            continue;
        };
        set.look_again();
        if is_due(&store, set, names) {
            due.push((Arc::clone(set), names.clone()));
        }
    }
    if due.is_empty() {
        return;
    }
    let account = match store.lock() {
        // Another process is at it; what it gets is found on disk.
        Ok(None) => return,
        Ok(Some(lock)) => account(&plan.acme, &store)
            .await
            .map(|account| (account, lock)),
        Err(error) => Err(error.into()),
    };
    let (tls, plan, store, account) = (tls, &*plan, &store, &account);
    stream::iter(due)
        .for_each_concurrent(AT_A_TIME, |(set, names)| async move {
            match account {
                Ok((account, _)) => serve(tls, plan, store, account, &set, &names).await,
                Err(error) => failed(store, &set, &names, &chain(error)),
            }
        })
        .await;
}

/// True if the authority has to be asked something about a certificate.
fn is_due(store: &Store, set: &Set, names: &[String]) -> bool {
    let now = Timestamp::now();
    let mut memory = recall(store, set, names);
    let current = set.genuine();
    let facts = current.as_ref().map(|current| &current.facts);
    let due = memory.is_due(facts, now, rand::random());
    let asks = facts.is_some() && memory.asks(now);
    let mut story = set.story.lock();
    story.next_renewal = match facts {
        Some(facts) => Some(memory.renewal(facts, 0.5)),
        None => memory.next_try,
    };
    if memory.last_error.is_some() {
        story.last_error = memory.last_error;
    }
    due || asks
}

/// Asks the authority when to renew, and renews if it is time.
async fn serve(
    tls: &Tls,
    plan: &TlsPlan,
    store: &Store,
    account: &Account,
    set: &Set,
    names: &[String],
) {
    // What another process did before we got the lock counts.
    set.look_again();
    let current = set.genuine();
    let mut memory = recall(store, set, names);
    let id = current.as_deref().and_then(identifier);
    if let Some(id) = &id
        && memory.asks(Timestamp::now())
    {
        ask_for_window(account, id, &mut memory).await;
    }
    let facts = current.as_ref().map(|current| &current.facts);
    let due = memory.is_due(facts, Timestamp::now(), rand::random());
    save_memory(store, set, names, &memory);
    if !due {
        return;
    }
    let mut kinds: Vec<AcmeChallenge> = plan.acme.challenges.clone();
    // Another kind of proof each time: one of the two ports may be unreachable.
    let turns = usize::try_from(memory.failures).unwrap_or(0) % kinds.len().max(1);
    kinds.rotate_left(turns);
    let request = Request {
        account,
        names,
        kinds: &kinds,
        challenges: &tls.challenges,
        replaces: id,
    };
    tracing::info!("ordering a certificate for {}", names.join(", "));
    let outcome = match order(&request).await {
        Ok(bundle) => store.save(names, &bundle).map_err(OrderError::from),
        Err(error) => Err(error),
    };
    match outcome {
        Ok(()) => {
            memory.succeeded();
            save_memory(store, set, names, &memory);
            set.look_again();
        }
        Err(error) => {
            if error.is_unknown_account() {
                store.forget_account();
            }
            failed(store, set, names, &chain(&error));
        }
    }
}

/// RFC 9773 4: the server knows best, for instance when it is about to revoke.
async fn ask_for_window(
    account: &Account,
    id: &CertificateIdentifier<'static>,
    memory: &mut Memory,
) {
    let now = Timestamp::now();
    match account.renewal_info(id).await {
        Ok((info, retry_after)) => {
            let time = |seconds| Timestamp::from_second(seconds).unwrap_or(now);
            let window = info.suggested_window;
            let window = (
                time(window.start.unix_timestamp()),
                time(window.end.unix_timestamp()),
            );
            let retry_after = SignedDuration::try_from(retry_after).unwrap_or_default();
            memory.told(window, retry_after, now, rand::random());
        }
        Err(error) => {
            tracing::debug!(%error, "the authority does not say when to renew");
            memory.not_told(now);
        }
    }
}

fn identifier(current: &Credential) -> Option<CertificateIdentifier<'static>> {
    let served = current.chain();
    let id = CertificateIdentifier::try_from(served.cert.first()?).ok()?;
    Some(id.into_owned())
}

/// Our account with the authority, made if there is none.
async fn account(plan: &AcmePlan, store: &Store) -> Result<Account, OrderError> {
    let carrier = Carrier::new(plan.ca_path.as_deref())?;
    let builder = || Account::builder_with_http(Box::new(carrier.clone()));
    let contact: Vec<&str> = plan.contact.iter().map(String::as_str).collect();
    if let Some(mut kept) = store.account() {
        let account = builder().from_credentials(kept.credentials()?).await?;
        if kept.contact != plan.contact {
            account.update_contacts(&contact).await?;
            kept.contact.clone_from(&plan.contact);
            store.save_account(&kept)?;
        }
        return Ok(account);
    }
    let new = NewAccount {
        contact: &contact,
        terms_of_service_agreed: true,
        only_return_existing: false,
    };
    let binding = match &plan.external_account {
        None => None,
        Some((key_id, path)) => Some(ExternalAccountKey::new(key_id.clone(), &mac_key(path)?)),
    };
    let (account, credentials) = builder()
        .create(&new, plan.directory_url.clone(), binding.as_ref())
        .await?;
    store.save_account(&KeptAccount::new(&plan.contact, &credentials)?)?;
    tracing::info!("an account was made with {}", plan.directory_url);
    Ok(account)
}

/// RFC 8555 7.3.4: base64url; some authorities show it padded.
fn mac_key(path: &Path) -> Result<Vec<u8>, OrderError> {
    let text = bounded(path)?;
    let text = String::from_utf8_lossy(&text);
    BASE64_URL_SAFE_NO_PAD
        .decode(text.trim().trim_end_matches('='))
        .map_err(|_| OrderError::MacKey(path.to_owned()))
}

fn failed(store: &Store, set: &Set, names: &[String], why: &str) {
    let mut memory = recall(store, set, names);
    memory.failed(why.to_owned(), Timestamp::now(), rand::random());
    // First: whoever reads the line may count on it, also across a kill.
    save_memory(store, set, names, &memory);
    tracing::error!(
        "no certificate for {}: {why}; trying again at {}",
        names.join(", "),
        memory
            .next_try
            .map_or_else(String::new, |next| next.to_string())
    );
    let mut story = set.story.lock();
    story.last_error = memory.last_error;
    story.next_renewal = memory.next_try;
}

/// What is remembered about a certificate. Where it could not be written down, this process still
/// knows: an authority is not to be asked again and again because a disk is full.
fn recall(store: &Store, set: &Set, names: &[String]) -> Memory {
    let unsaved = set.story.lock().unsaved.clone();
    unsaved.unwrap_or_else(|| store.memory(names))
}

fn save_memory(store: &Store, set: &Set, names: &[String], memory: &Memory) {
    let saved = store.save_memory(names, memory);
    if let Err(error) = &saved {
        tracing::error!(
            error = error as &dyn std::error::Error,
            "what became of an order cannot be written down"
        );
    }
    set.story.lock().unsaved = saved.is_err().then(|| memory.clone());
}
