//! Phases: cache look-up and cache fill, around the action.
//!
//! ```text
//! GET, HEAD → look up ─┬→ fresh: answer
//!                      ├→ stale, allowed: answer, and validate in the background
//!                      └→ else fetch ─┬→ first of its key: a task of its own fetches, and stores if it may
//!                                     └→ not the first: read along
//! other methods → action → forget the URL if it went well
//! ```

mod fetch;
mod look_up;

use fetch::{Fetch, Fetched};

use std::sync::Arc;

use http::header::{
    CONTENT_LENGTH, CONTENT_LOCATION, COOKIE, ETAG, HeaderName, IF_MATCH, IF_MODIFIED_SINCE,
    IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, LAST_MODIFIED, LOCATION, RANGE,
};
use http::request::Parts;
use http::{HeaderMap, Method, Response, StatusCode, Uri};
use hyper::body::Body;
use quick_cache::Equivalent;

use super::action::Wanted;
use super::forward;
use crate::answer::Answer;
use crate::body::{Inbound, Outbound};
use crate::cache::control::Directives;
use crate::cache::date;
use crate::cache::entry::{Entry, take_tags};
use crate::cache::fill::Fill;
use crate::cache::key::KeyRef;
use crate::cache::policy::{Exchange, Source, X_ACCEL_EXPIRES};
use crate::cache::rules::Rules;
use crate::cache::status::{Forwarded, Note};
use crate::fault::Fault;
use crate::record::Record;
use crate::visitor::Host;

/// Fields that ask for something else than the whole answer, unconditionally.
const CONDITIONS: [HeaderName; 4] = [IF_NONE_MATCH, IF_MODIFIED_SINCE, IF_RANGE, RANGE];

/// What a route with a cache says.
pub(super) struct Through<'a> {
    /// Its rules.
    pub(super) rules: &'a Arc<Rules>,
    /// Its upstream.
    pub(super) index: usize,
    /// The URL as the visitor knows it.
    pub(super) known: &'a Uri,
}

/// A request that the cache may answer.
struct Asked<'a> {
    wanted: &'a Wanted<'a>,
    index: usize,
    rules: &'a Arc<Rules>,
    /// As the application sees it.
    parts: &'a Parts,
    key: KeyRef<'a>,
    directives: Directives,
}

/// Asks the upstream, through the cache.
pub(super) async fn run(
    wanted: &Wanted<'_>,
    through: &Through<'_>,
    parts: &mut Parts,
    body: Inbound,
    record: &mut Record,
) -> Result<Answer<Outbound>, Fault> {
    let rules = through.rules;
    let directives = if rules.obey_requests {
        Directives::of_request(&parts.headers)
    } else {
        Directives::default()
    };
    let outcome = match passes(parts, &body, rules, &directives) {
        Some(why) => {
            let answer = Box::pin(around(wanted, through, parts, body, record)).await;
            answer.map(|response| (response.into(), Note::forwarded(why)))
        }
        None => {
            let asked = Asked {
                key: key(wanted, through),
                wanted,
                index: through.index,
                rules,
                parts,
                directives,
            };
            look_up::run(&asked, record).await
        }
    };
    let (mut answer, note) = outcome?;
    record.cache = Some(note.word());
    if rules.status_header {
        answer.change(&note);
    }
    Ok(answer)
}

fn key<'a>(wanted: &'a Wanted<'_>, through: &Through<'a>) -> KeyRef<'a> {
    let target = if through.rules.ignore_query {
        through.known.path()
    } else {
        through
            .known
            .path_and_query()
            .map_or("/", |target| target.as_str())
    };
    let Host { value, name } = wanted.host;
    let authority = value.to_str().unwrap_or_default();
    KeyRef::new(wanted.visitor.scheme, name, authority, target)
}

/// Why the cache has no part in this request; `None` if it has.
fn passes(
    parts: &Parts,
    body: &Inbound,
    rules: &Rules,
    directives: &Directives,
) -> Option<Forwarded> {
    if parts.method != Method::GET && parts.method != Method::HEAD {
        return Some(Forwarded::Method);
    }
    if directives.no_store {
        return Some(Forwarded::Request);
    }
    let own = !body.is_end_stream()
        // RFC 9111 4.3.2: these two are for the origin alone.
        || parts.headers.contains_key(IF_MATCH)
        || parts.headers.contains_key(IF_UNMODIFIED_SINCE)
        || (!rules.bypass_cookies.is_empty() && has_cookie(&parts.headers, &rules.bypass_cookies));
    own.then_some(Forwarded::Bypass)
}

fn has_cookie(headers: &HeaderMap, names: &[String]) -> bool {
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.split('=').next())
        .any(|name| names.iter().any(|other| other == name.trim()))
}

/// The action alone. A change that went well makes what is stored wrong (RFC 9111 4.4).
async fn around(
    wanted: &Wanted<'_>,
    through: &Through<'_>,
    parts: &mut Parts,
    body: Inbound,
    record: &mut Record,
) -> Result<Response<Outbound>, Fault> {
    let begun = date::now();
    let mut response = forward::run(wanted, through.index, parts, body, record).await?;
    let safe = [Method::GET, Method::HEAD, Method::OPTIONS, Method::TRACE].contains(&parts.method);
    if !safe && (response.status().is_success() || response.status().is_redirection()) {
        let cache = &wanted.connection.worker.shared.cache;
        let key = key(wanted, through);
        cache.invalidate(&key.to_key());
        let mut itself = false;
        for name in [LOCATION, CONTENT_LOCATION] {
            let other = response.headers().get(&name);
            if let Some(other) = other.and_then(|value| key.resolve(value.to_str().ok()?)) {
                itself |= name == CONTENT_LOCATION && key.equivalent(&other);
                cache.invalidate(&other);
            }
        }
        if itself && parts.method == Method::POST {
            response = posted(wanted, through, parts, response, begun).await?;
        }
    }
    clean(response.headers_mut());
    Ok(response)
}

/// The answer to a POST that says it is what the URL holds now, and for how long, serves GET
/// (RFC 9110 9.3.3).
async fn posted(
    wanted: &Wanted<'_>,
    through: &Through<'_>,
    parts: &Parts,
    response: Response<Outbound>,
    begun: u64,
) -> Result<Response<Outbound>, Fault> {
    let exchange = Exchange {
        request: &parts.headers,
        query: true,
        status: response.status(),
        answer: response.headers(),
        asked: begun,
        answered: date::now(),
    };
    let explicit = exchange.judge(through.rules).is_ok_and(|storable| {
        !matches!(storable.lifetime.source, Source::Nothing | Source::Default)
    });
    if response.status() != StatusCode::OK || !explicit {
        return Ok(response);
    }
    let asked = Asked {
        key: key(wanted, through),
        wanted,
        index: through.index,
        rules: through.rules,
        parts,
        directives: Directives::default(),
    };
    let (tell, told) = tokio::sync::oneshot::channel();
    let fetch = Fetch::new(&asked, Fill::new(None), None, &tracing::Span::none());
    fetch.adopt(response, begun, tell);
    match told.await.map_err(|_| Fault::Internal)? {
        Fetched::Stored(response, _) | Fetched::Passed(response, _, _) => Ok(response),
        Fetched::Failed(fault, _) => Err(fault),
        Fetched::Entry(..) => Err(Fault::Internal),
    }
}

/// A HEAD that nothing stored answers is asked as it is. Its answer tells whether what is stored for GET
/// still holds (RFC 9111 4.3.5).
async fn around_head(
    asked: &Asked<'_>,
    entry: Option<&Arc<Entry>>,
    why: Forwarded,
    record: &mut Record,
) -> Result<(Response<Outbound>, Note), Fault> {
    let begun = date::now();
    let mut parts = asked.parts.clone();
    let body = Inbound::empty();
    let outcome = forward::run(asked.wanted, asked.index, &mut parts, body, record).await;
    let mut response = outcome?;
    let mut note = Note::forwarded(why);
    if let Some(entry) = entry
        && response.status() == entry.head.status
    {
        let headers = response.headers();
        let cache = &asked.wanted.connection.worker.shared.cache;
        if is_same(entry, headers) {
            let times = (begun, date::now());
            fetch::refreshed(
                cache,
                asked.rules,
                asked.parts,
                entry,
                headers,
                times,
                false,
            );
            note.stored = true;
        } else {
            cache.expire(entry);
        }
    }
    clean(response.headers_mut());
    Ok((response, note))
}

/// Nothing that both heads have tells their bodies apart.
fn is_same(entry: &Entry, head: &HeaderMap) -> bool {
    [ETAG, LAST_MODIFIED, CONTENT_LENGTH].iter().all(|name| {
        head.get(name)
            .is_none_or(|new| entry.head.headers.get(name) == Some(new))
    })
}

/// Takes out what the application says to the cache alone.
fn clean(headers: &mut HeaderMap) {
    take_tags(headers);
    headers.remove(X_ACCEL_EXPIRES);
}
