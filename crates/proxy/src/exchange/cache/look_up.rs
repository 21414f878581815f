//! Phase: cache look-up.

use std::sync::Arc;

use http::{Method, StatusCode};

use super::fetch::{self, Fetch, Fetched};
use super::{Asked, CONDITIONS, around_head};
use crate::answer::Answer;
use crate::body::Outbound;
use crate::cache::Cache;
use crate::cache::date;
use crate::cache::entry::Entry;
use crate::cache::fill::{Fill, Place, Stage};
use crate::cache::serve;
use crate::cache::status::{Forwarded, Note};
use crate::fault::Fault;
use crate::record::Record;

type Noted = (Answer<Outbound>, Note);

/// What may be done with a stored answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    /// As it is.
    Fresh,
    /// As it is, while it is validated in the background.
    WhileRevalidate,
    /// As it is: the visitor takes it stale.
    Stale,
    /// After the application was asked.
    Validated(Forwarded),
}

pub(super) async fn run(asked: &Asked<'_>, record: &mut Record) -> Result<Noted, Fault> {
    let cache = &asked.wanted.connection.worker.shared.cache;
    let now = date::now();
    let variants = cache.get(&asked.key);
    let headers = &asked.parts.headers;
    let mut found = variants
        .as_ref()
        .and_then(|variants| variants.find(headers));
    let loaded;
    if found.is_none() && cache.is_on_disk(&asked.key) {
        loaded = Box::pin(cache.fetch(&asked.key, headers)).await;
        found = loaded.as_ref();
    }
    let (entry, why) = match found {
        Some(entry) => match usage(entry, asked, now) {
            Use::Fresh => return Ok(hit(entry, asked, now, None)),
            Use::Stale => return Ok(hit(entry, asked, now, Some("max-stale"))),
            Use::WhileRevalidate => {
                validate_in_background(entry, asked);
                return Ok(hit(entry, asked, now, Some("stale-while-revalidate")));
            }
            Use::Validated(why) => (Some(entry), why),
        },
        None if variants.is_some() => (None, Forwarded::VaryMiss),
        None => (None, Forwarded::UriMiss),
    };
    if asked.directives.only_if_cached {
        return Err(Fault::NotCached);
    }
    if asked.parts.method == Method::HEAD {
        let (response, note) = Box::pin(around_head(asked, entry, why, record)).await?;
        return Ok((response.into(), note));
    }
    let place = place(cache, asked, entry, variants.as_deref(), now);
    let fill = match place {
        Place::Lead(fill) => fill,
        Place::Join(fill) => match Box::pin(join(&fill, asked, why)).await {
            Some(answer) => return Ok(answer),
            // What the other one fetches is not for this request, or takes too long.
            None => Fill::new(None),
        },
    };
    Box::pin(lead(asked, fill, entry, why, record)).await
}

fn usage(entry: &Entry, asked: &Asked<'_>, now: u64) -> Use {
    let wishes = &asked.directives;
    let lifetime = &entry.head.lifetime;
    let age = lifetime.age(now);
    if wishes.no_cache || wishes.max_age.is_some_and(|most| age > most || most == 0) {
        return Use::Validated(Forwarded::Request);
    }
    let left = lifetime.left(now);
    if left > 0 && !entry.is_expired() {
        return match wishes.min_fresh {
            Some(least) if left < i64::from(least) => Use::Validated(Forwarded::Request),
            _ => Use::Fresh,
        };
    }
    let takes_stale = wishes
        .max_stale
        .is_some_and(|most| -left <= i64::from(most));
    if takes_stale && !lifetime.strict && !entry.is_expired() {
        return Use::Stale;
    }
    if entry.allows_while_revalidate(now) && wishes.min_fresh.is_none() {
        return Use::WhileRevalidate;
    }
    Use::Validated(Forwarded::Stale)
}

fn hit(entry: &Arc<Entry>, asked: &Asked<'_>, now: u64, detail: Option<&'static str>) -> Noted {
    let note = Note {
        hit: true,
        ttl: Some(entry.head.lifetime.left(now)),
        detail,
        ..Note::default()
    };
    (serve::answer(entry, asked.parts, now), note)
}

/// A request for a part, or with conditions that nothing stored can be compared with, asks for something
/// of its own. So does one for a key whose answers cannot be stored.
fn place(
    cache: &Cache,
    asked: &Asked<'_>,
    entry: Option<&Arc<Entry>>,
    variants: Option<&crate::cache::memory::Variants>,
    now: u64,
) -> Place {
    let own = CONDITIONS
        .iter()
        .any(|name| asked.parts.headers.contains_key(name));
    let comparable = entry.is_some_and(|entry| entry.has_validator());
    if (own && !comparable) || cache.is_passed(&asked.key, now) {
        return Place::Lead(Fill::new(None));
    }
    let expected = variants.and_then(|variants| variants.selection());
    cache
        .fills
        .enter(&asked.key.to_key(), &asked.parts.headers, expected)
}

/// Reads along with another request; `None` if that is not possible.
async fn join(fill: &Arc<Fill>, asked: &Asked<'_>, why: Forwarded) -> Option<Noted> {
    let mut note = Note::forwarded(why);
    note.collapsed = true;
    let waited = tokio::time::timeout(asked.rules.wait, fill.stage());
    match waited.await.ok()? {
        Stage::Streaming(head) if head.selection.matches(&asked.parts.headers) => {
            let now = date::now();
            let length = fetch::length_of(&head.headers);
            let mut response = serve::head(&head, head.lifetime.age(now));
            *response.body_mut() = Outbound::Fill(Box::new(fill.reader(length)?));
            Some((response.into(), note))
        }
        Stage::Settled(entry) if entry.head.selection.matches(&asked.parts.headers) => {
            Some((serve::answer(&entry, asked.parts, date::now()), note))
        }
        _ => None,
    }
}

async fn lead(
    asked: &Asked<'_>,
    fill: Arc<Fill>,
    entry: Option<&Arc<Entry>>,
    why: Forwarded,
    record: &mut Record,
) -> Result<Noted, Fault> {
    let (tell, told) = tokio::sync::oneshot::channel();
    Fetch::new(asked, fill, entry.cloned(), &record.span).spawn(Some(tell));
    let fetched = told.await.map_err(|_| Fault::Internal)?;
    let mut note = Note::forwarded(why);
    match fetched {
        Fetched::Failed(fault, noted) => {
            record.adopt(noted);
            Err(fault)
        }
        Fetched::Passed(response, refusal, noted) => {
            record.adopt(noted);
            note.detail = refusal.map(crate::cache::policy::Refusal::name);
            Ok((response.into(), note))
        }
        Fetched::Stored(response, noted) => {
            record.adopt(noted);
            note.stored = true;
            Ok((response.into(), note))
        }
        Fetched::Entry(entry, answered, noted) => {
            record.adopt(noted);
            note.answered = answered;
            note.stored = answered == Some(StatusCode::NOT_MODIFIED);
            if !note.stored {
                note.detail = Some("stale-if-error");
            }
            Ok((serve::answer(&entry, asked.parts, date::now()), note))
        }
    }
}

fn validate_in_background(entry: &Arc<Entry>, asked: &Asked<'_>) {
    let cache = &asked.wanted.connection.worker.shared.cache;
    let selection = Some(&entry.head.selection);
    let place = cache
        .fills
        .enter(&asked.key.to_key(), &asked.parts.headers, selection);
    if let Place::Lead(fill) = place {
        let span = tracing::Span::none();
        Fetch::new(asked, fill, Some(Arc::clone(entry)), &span).spawn(None);
    }
}
