//! Phase: cache fill. A task of its own asks the application, judges the answer and stores it while its
//! readers take it; so it goes on when the visitor who began it has left.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::header::{CONTENT_LENGTH, ETAG, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use http_body_util::BodyExt;
use tokio::sync::oneshot::Sender;
use tracing::Span;

use super::super::action::Wanted;
use super::super::{AwaitedTurn, Connection, forward};
use super::{Asked, CONDITIONS, clean};
use crate::body::{Inbound, Outbound};
use crate::cache::entry::{Content, Entry, Head};
use crate::cache::fill::{End, Fill, Stage};
use crate::cache::key::{Key, KeyRef};
use crate::cache::policy::{Exchange, Refusal, Source, Storable, X_ACCEL_EXPIRES};
use crate::cache::rules::Rules;
use crate::cache::{Cache, Reserved, date};
use crate::fault::Fault;
use crate::record::{FetchRecord, Record};
use crate::visitor::{Host, Visitor};
use crate::worker::ThreadPlan;

/// What nobody reads any more is fetched to its end for no longer than this.
const UNREAD: Duration = Duration::from_secs(60);

/// What the leader is told.
pub(super) enum Fetched {
    /// No answer.
    Failed(Fault, FetchRecord),
    /// An answer for the leader alone, and why.
    Passed(Response<Outbound>, Option<Refusal>, FetchRecord),
    /// An answer that is being stored.
    Stored(Response<Outbound>, FetchRecord),
    /// The stored answer holds (304), or is used although the application failed.
    Entry(Arc<Entry>, Option<StatusCode>, FetchRecord),
}

type Tell = Option<Sender<Fetched>>;

/// Everything the task needs of the request it began with.
pub(super) struct Fetch {
    connection: Rc<Connection>,
    plan: Rc<ThreadPlan>,
    visitor: Visitor,
    host: Host,
    index: usize,
    rules: Arc<Rules>,
    parts: Parts,
    leading: Leading,
    entry: Option<Arc<Entry>>,
    span: Span,
}

/// The place in the table of fills; given up whatever happens to the task.
struct Leading {
    cache: Arc<Cache>,
    key: Key,
    fill: Arc<Fill>,
}

impl Drop for Leading {
    fn drop(&mut self) {
        self.fill.abandon();
        self.cache.fills.leave(&self.key, &self.fill);
    }
}

/// The `Content-Length` of an answer.
pub(super) fn length_of(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn is_failure(status: StatusCode) -> bool {
    // RFC 5861 4.
    [500, 502, 503, 504].contains(&status.as_u16())
}

impl Fetch {
    pub(super) fn new(
        asked: &Asked<'_>,
        fill: Arc<Fill>,
        entry: Option<Arc<Entry>>,
        span: &Span,
    ) -> Self {
        let Wanted {
            connection,
            plan,
            visitor,
            host,
            ..
        } = asked.wanted;
        let mut parts = asked.parts.clone();
        parts.extensions.clear();
        Self {
            plan: Rc::clone(plan),
            visitor: Visitor::clone(visitor),
            host: Host::clone(host),
            index: asked.index,
            rules: Arc::clone(asked.rules),
            parts,
            leading: Leading {
                cache: Arc::clone(&connection.worker.shared.cache),
                key: asked.key.to_key(),
                fill,
            },
            entry,
            span: span.clone(),
            connection: Rc::clone(connection),
        }
    }

    /// Begins. A drain waits for it; a cut ends it.
    pub(super) fn spawn(self, tell: Tell) {
        let shutdown = self.connection.worker.shared.shutdown.clone();
        let cut = shutdown.clone();
        shutdown.spawn_local(async move {
            tokio::select! {
                () = self.run(tell) => {}
                () = cut.cutting() => {}
            }
        });
    }

    /// Stores an answer that was asked for already, such as one to POST, while the visitor takes it.
    pub(super) fn adopt(self, response: Response<Outbound>, asked: u64, tell: Sender<Fetched>) {
        let shutdown = self.connection.worker.shared.shutdown.clone();
        let cut = shutdown.clone();
        let noted = FetchRecord::default();
        shutdown.spawn_local(async move {
            tokio::select! {
                () = self.take(response, asked, noted, Some(tell)) => {}
                () = cut.cutting() => {}
            }
        });
    }

    async fn run(mut self, tell: Tell) {
        let mut record = Record::of_fetch(self.span.clone());
        let mut asked = date::now();
        let mut outcome = self.ask(tell.is_some(), &mut record).await;
        if let (Ok(response), Some(entry)) = (&outcome, &self.entry)
            && response.status() == StatusCode::NOT_MODIFIED
            && !is_of(entry, response.headers())
        {
            // It speaks of an answer that is not ours (RFC 9111 4.3.4): the whole one, then.
            self.leading.cache.remove(entry);
            self.entry = None;
            self.parts.headers = self.unconditional();
            asked = date::now();
            outcome = self.ask(tell.is_some(), &mut record).await;
        }
        let noted = record.fetched();
        match outcome {
            Err(fault) if fault.upstream_kind().is_some() && self.serves_stale() => {
                self.settle(None, noted, tell);
            }
            Err(fault) => {
                self.leading.fill.set_stage(Stage::Passed);
                answer(tell, Fetched::Failed(fault, noted));
            }
            Ok(response) if is_failure(response.status()) && self.serves_stale() => {
                self.settle(Some(response.status()), noted, tell);
            }
            Ok(response) => self.take(response, asked, noted, tell).await,
        }
    }

    /// Asks the application, with the stored answer's validators if there are any.
    async fn ask(&self, visitor: bool, record: &mut Record) -> Result<Response<Outbound>, Fault> {
        let turn = AwaitedTurn::of_fetch(visitor);
        let wanted = Wanted {
            connection: &self.connection,
            plan: &self.plan,
            visitor: &self.visitor,
            host: &self.host,
            turn: &turn,
        };
        let mut parts = self.parts.clone();
        if let Some(entry) = self.entry.as_ref().filter(|entry| entry.has_validator()) {
            parts.headers = self.unconditional();
            let stored = &entry.head.headers;
            for (from, to) in [(ETAG, IF_NONE_MATCH), (LAST_MODIFIED, IF_MODIFIED_SINCE)] {
                if let Some(validator) = stored.get(from) {
                    parts.headers.insert(to, validator.clone());
                }
            }
        }
        forward::run(&wanted, self.index, &mut parts, Inbound::empty(), record).await
    }

    fn unconditional(&self) -> HeaderMap {
        let mut headers = self.parts.headers.clone();
        for name in &CONDITIONS {
            headers.remove(name);
        }
        headers
    }

    fn serves_stale(&self) -> bool {
        self.entry
            .as_ref()
            .is_some_and(|entry| entry.allows_if_error(date::now()))
    }

    /// The stored answer is used although the application failed.
    fn settle(&self, status: Option<StatusCode>, noted: FetchRecord, tell: Tell) {
        if let Some(entry) = &self.entry {
            let fill = &self.leading.fill;
            fill.set_stage(Stage::Settled(Arc::clone(entry)));
            answer(tell, Fetched::Entry(Arc::clone(entry), status, noted));
        }
    }

    async fn take(self, response: Response<Outbound>, asked: u64, noted: FetchRecord, tell: Tell) {
        let answered = date::now();
        if response.status() == StatusCode::NOT_MODIFIED
            && let Some(entry) = &self.entry
            && entry.has_validator()
        {
            let entry = self.refreshed(entry, response.headers(), asked, answered);
            self.leading
                .fill
                .set_stage(Stage::Settled(Arc::clone(&entry)));
            let status = Some(StatusCode::NOT_MODIFIED);
            return answer(tell, Fetched::Entry(entry, status, noted));
        }
        let judged = Exchange {
            request: &self.parts.headers,
            query: self.parts.uri.query().is_some(),
            status: response.status(),
            answer: response.headers(),
            asked,
            answered,
        }
        .judge(&self.rules)
        .and_then(|storable| self.fits(&response).map(|room| (storable, room)));
        match judged {
            Ok((storable, room)) => self.store(response, storable, room, noted, tell).await,
            Err(refusal) => self.pass(response, refusal, answered, noted, tell),
        }
    }

    fn fits(&self, response: &Response<Outbound>) -> Result<Reserved, Refusal> {
        let length = length_of(response.headers()).unwrap_or(0);
        let mut room = self.leading.cache.reserve();
        if length <= self.rules.max_size && room.grow(length) {
            Ok(room)
        } else {
            Err(Refusal::TooLarge)
        }
    }

    fn pass(
        self,
        mut response: Response<Outbound>,
        refusal: Refusal,
        now: u64,
        noted: FetchRecord,
        tell: Tell,
    ) {
        let Leading { cache, key, fill } = &self.leading;
        fill.set_stage(Stage::Passed);
        if let Some(key) = KeyRef::parse(key.as_str())
            && refusal != Refusal::Status
        {
            cache.note_pass(&key, now);
        }
        // A whole other answer: what is stored is not the newest any more (RFC 9111 4.3.3).
        if let Some(entry) = &self.entry
            && response.status().as_u16() < 500
        {
            cache.remove(entry);
        }
        clean(response.headers_mut());
        answer(tell, Fetched::Passed(response, Some(refusal), noted));
    }

    /// The stored answer with the fields of a 304 (RFC 9111 4.3.4).
    fn refreshed(
        &self,
        entry: &Arc<Entry>,
        newer: &HeaderMap,
        asked: u64,
        answered: u64,
    ) -> Arc<Entry> {
        refreshed(
            &self.leading.cache,
            &self.rules,
            &self.parts,
            entry,
            newer,
            (asked, answered),
            self.leading.fill.is_doomed(),
        )
    }

    async fn store(
        self,
        response: Response<Outbound>,
        storable: Storable,
        room: Reserved,
        noted: FetchRecord,
        tell: Tell,
    ) {
        let (mut parts, body) = response.into_parts();
        let head = Head::new(parts.status, &parts.headers, storable);
        let length = length_of(&parts.headers);
        clean(&mut parts.headers);
        let fill = &self.leading.fill;
        let reader = fill.reader(length);
        fill.set_stage(Stage::Streaming(Arc::new(head.clone())));
        if let Some(reader) = reader {
            let body = Outbound::Fill(Box::new(reader));
            answer(
                tell,
                Fetched::Stored(Response::from_parts(parts, body), noted),
            );
        }
        let end = self.pump(body, length, room, head).await;
        self.leading.fill.end(end);
    }

    /// Takes the body to its end, and stores it if it is whole and not too large.
    async fn pump(
        &self,
        mut body: Outbound,
        length: Option<u64>,
        mut room: Reserved,
        head: Head,
    ) -> End {
        let fill = &self.leading.fill;
        let begun = Instant::now();
        let mut total = 0_u64;
        let mut keeping = true;
        while let Some(frame) = body.frame().await {
            let Ok(frame) = frame else { return End::Broken };
            let Ok(chunk) = frame.into_data() else {
                continue;
            };
            let size = u64::try_from(chunk.len()).unwrap_or(u64::MAX);
            total += size;
            let fits = total <= self.rules.max_size && (length.is_some() || room.grow(size));
            if keeping && !fits {
                keeping = false;
                fill.stop_keeping();
            }
            fill.push(chunk);
            if !fill.room().await || (begun.elapsed() > UNREAD && !fill.has_readers()) {
                return End::Broken;
            }
        }
        if length.is_some_and(|length| length != total) {
            return End::Broken;
        }
        if keeping && !fill.is_doomed() {
            let Leading { cache, key, .. } = &self.leading;
            let content = Content::Memory(fill.content());
            cache.store(&Arc::new(Entry::new(key.clone(), head, content)));
        }
        End::Complete
    }
}

/// `entry` with the fields of a newer head, stored in its place.
pub(super) fn refreshed(
    cache: &Cache,
    rules: &Rules,
    request: &Parts,
    entry: &Arc<Entry>,
    newer: &HeaderMap,
    (asked, answered): (u64, u64),
    doomed: bool,
) -> Arc<Entry> {
    let mut merged = entry.head.merged(newer);
    let lifetime = &entry.head.lifetime;
    if lifetime.source == Source::Accelerator && !newer.contains_key(X_ACCEL_EXPIRES) {
        merged.insert(X_ACCEL_EXPIRES, HeaderValue::from(lifetime.fresh_for));
    }
    let judged = Exchange {
        request: &request.headers,
        query: request.uri.query().is_some(),
        status: entry.head.status,
        answer: &merged,
        asked,
        answered,
    }
    .judge(rules);
    let Ok(storable) = judged else {
        cache.remove(entry);
        return Arc::clone(entry);
    };
    let mut head = Head::new(entry.head.status, &merged, storable);
    if head.tags.is_empty() {
        head.tags.clone_from(&entry.head.tags);
    }
    let new = Arc::new(Entry::new(entry.key.clone(), head, entry.content.clone()));
    if !doomed {
        cache.store(&new);
    }
    new
}

/// A 304 with another tag than the one that was asked about is about something else.
fn is_of(entry: &Entry, answer: &HeaderMap) -> bool {
    match (answer.get(ETAG), entry.etag()) {
        (Some(theirs), Some(ours)) => theirs == ours,
        _ => true,
    }
}

fn answer(tell: Tell, fetched: Fetched) {
    if let Some(tell) = tell {
        // A leader who has left takes no answer; dropping it is right.
        drop(tell.send(fetched));
    }
}
