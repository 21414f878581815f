//! The life of a request, one function a phase, in this order:
//!
//! ```text
//! arrive → gate → visitor → site → route → guard → action ─┬→ files
//!                                                          ├→ redirect, respond
//!                                                          └→ cache look-up → upstream ─→ tunnel (101)
//!                                                                             └→ cache fill
//!        → answer (page for a fault, headers) → record (log, metrics) at the body's end
//! ```

mod accel;
mod action;
mod cache;
mod forward;
mod gate;
mod guard;
mod notes;
mod route;
mod secure;
mod site;
mod unread;
mod work;

use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use http::header::{CONNECTION, HeaderName, STRICT_TRANSPORT_SECURITY};
use http::request::Parts;
use kiuas_common::telemetry::TraceContext;
use tracing::Span;

use self::action::Done;
use crate::answer::{Answer, Change};
use crate::body::{Inbound, Outbound};
use crate::compress::Wish;
use crate::crowd::Present;
use crate::fault::Fault;
use crate::hints::Hints;
use crate::lane;
use crate::lines::Fields;
use crate::meter::Counted;
use crate::page::{self, Form};
use crate::pulse::Pulse;
use crate::record::{Record, Recorded};
use crate::screen::{Arrival, Gatekeeper};
use crate::tls::{Peer, Session};
use crate::visitor::{Host, Visitor};
use crate::worker::{ThreadPlan, Worker};
use notes::Notes;

pub use work::Work;

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// A visitor's connection, as its requests see it.
#[derive(Debug)]
pub struct Connection {
    /// The thread.
    pub worker: Rc<Worker>,
    /// The other end.
    pub peer: Option<SocketAddr>,
    /// Over TLS.
    pub secure: bool,
    /// What its handshake agreed on.
    pub session: Option<Session>,
    /// What the handshake told about the other end, where visitors show certificates.
    pub client: Option<Rc<Peer>>,
    /// Who reads its requests.
    pub reader: Reader,
    /// Its stamps.
    pub pulse: Arc<Pulse>,
    /// Its place among the connections; a tunnel keeps it.
    pub place: Rc<Place>,
    /// What its visitor is told before the answer, in the fast lane.
    pub hints: Hints,
}

impl Connection {
    /// Where interim answers go, if the visitor can be told.
    fn hints(&self) -> Option<&Hints> {
        match &self.reader {
            Reader::Lane => Some(&self.hints),
            Reader::Screen(keeper) => Some(keeper.hints()),
            Reader::Frames => None,
        }
    }
}

/// Who reads a connection's requests, and so where their heads were shown to the gate.
#[derive(Debug)]
pub enum Reader {
    /// The screen in front of hyper's HTTP/1: every head was judged as it came over the wire.
    Screen(Arc<Gatekeeper>),
    /// The fast lane: only heads that passed come here.
    Lane,
    /// HTTP/2, which is framed by itself: heads are judged here.
    Frames,
}

impl Reader {
    fn keeper(&self) -> Option<&Gatekeeper> {
        match self {
            Self::Screen(keeper) => Some(keeper),
            Self::Lane | Self::Frames => None,
        }
    }
}

/// A place among the visitors' connections.
#[derive(Debug)]
pub struct Place {
    /// Out of `proxy.limits.connections`.
    pub permit: tokio::sync::OwnedSemaphorePermit,
    /// In the metrics.
    pub counted: Counted,
    /// Among the connections of its address, if they are counted.
    pub present: Option<Present>,
}

/// Answers one request. [`Work`] has a place for it.
async fn run(connection: Rc<Connection>, mut parts: Parts, body: Inbound) -> Answer<Recorded> {
    let mut body = Some(body);
    let plan = connection.worker.plan();
    let mut record = Box::new(Record::new(&connection, plan.log.clone()));
    let turn = AwaitedTurn::new(&connection);
    let mut notes = Notes::default();
    let asked = Asked {
        connection: &connection,
        turn: &turn,
    };
    let answering = answer(
        &asked,
        &plan,
        &mut parts,
        &mut body,
        &mut record,
        &mut notes,
    );
    let outcome = within(plan.limits.request, pin!(answering)).await;
    let outcome = match unread::hear_out(&connection, &parts.headers, body).await {
        Ok(()) => outcome,
        Err(fault) => Err(fault),
    };
    if let (Ok(_), Some(limit)) = (&outcome, plan.limits.request) {
        // The page about a fault has no limit: it is there already.
        record.end_within(limit);
    }
    drop(turn);
    let form = match outcome {
        Ok(_) => Form::Line,
        Err(_) => Form::wished(&parts.headers),
    };
    lane::recycle(parts.headers);
    let answer = outcome.unwrap_or_else(|fault| {
        let fault = exact(fault, &connection);
        record.fault = Some(fault);
        let status = fault.status().as_u16();
        let own = notes.pages.and_then(|pages| pages.find(status));
        let own = own
            .or_else(|| plan.pages.find(status))
            .filter(|_| form == Form::Page);
        let notice = record.notice.as_deref();
        page::answer(fault, form, &record.request_id, notice, own).into()
    });
    finish(&connection, answer, record, &notes)
}

/// The whole request has a limit, if the settings say so.
async fn within<T>(
    limit: Option<Duration>,
    answering: Pin<&mut impl Future<Output = Result<T, Fault>>>,
) -> Result<T, Fault> {
    match limit {
        None => answering.await,
        Some(limit) => tokio::time::timeout(limit, answering)
            .await
            .unwrap_or(Err(Fault::TookTooLong)),
    }
}

/// What a request comes with beside its head and body.
#[derive(Clone, Copy)]
struct Asked<'a> {
    connection: &'a Rc<Connection>,
    turn: &'a AwaitedTurn<'a>,
}

async fn answer<'p>(
    asked: &Asked<'_>,
    plan: &'p Rc<ThreadPlan>,
    parts: &mut Parts,
    body: &mut Option<Inbound>,
    record: &mut Record,
    notes: &mut Notes<'p>,
) -> Result<Answer<Outbound>, Fault> {
    let Asked { connection, turn } = *asked;
    let shared = &connection.worker.shared;
    let refused = gate::check(connection, parts, turn.arrival.and_then(|a| a.refusal))
        .and_then(|()| gate::fits(parts, plan.limits.heads.as_ref()));
    let visitor = Visitor::new(
        connection.peer,
        connection.secure,
        &parts.headers,
        &plan.trusted,
        plan.trusted_field,
    );
    record.client = visitor.address;
    record.request_id = visitor.request_id.clone();
    refused.map_err(Fault::Refused)?;
    record.began(parts);
    record.scheme = visitor.scheme;
    if shared.traces {
        record.span = server_span(parts, &visitor);
        record.trace_id = TraceContext::of(&record.span).map(|t| t.trace_id().to_owned());
    }
    if let (Some(most), Some(address)) = (plan.limits.requests_per_address, visitor.address) {
        let crowd = &shared.protection.requests;
        record.present = Some(crowd.enter(address, most).ok_or(Fault::Crowded)?);
    }
    let host = Host::of(parts).ok_or(Fault::NoSite)?;
    record.host = Some(host.value.clone());
    if let Some(proof) = secure::challenge(connection, parts) {
        return Ok(proof.into());
    }
    let site = plan.sites.find(&host.name).ok_or(Fault::NoSite)?;
    notes.rules = Some(&site.headers);
    notes.pages = Some(&site.pages);
    record.cells = plan.cells_of(site);
    if visitor.scheme == "https" {
        record.hsts.clone_from(&site.hsts);
    }
    if let Some(response) = site::answer(site, &host, &visitor, parts, plan.https_port) {
        return Ok(response.into());
    }
    if let Some(work) = shared.closed_sites.of(&site.name)
        && !work.lets_pass(visitor.address)
    {
        record.notice = Some(Arc::clone(&work.message));
        return Err(Fault::Maintenance);
    }
    secure::admit(connection, site)?;
    let wanted = action::Wanted {
        connection,
        plan,
        visitor: &visitor,
        host: &host,
        turn,
    };
    // Routes that had nothing for this request.
    let mut passed = Vec::new();
    loop {
        let chosen = route::choose(site, &host, &visitor, parts, &passed, notes)?;
        let route = chosen.route;
        notes.timing = route.server_timing;
        action::body_fits(&parts.headers, route.body)?;
        let guarded = guard::check(&route.guard, &wanted, parts, notes).await;
        if notes.user.is_some() {
            record.user = notes.user.take();
        }
        if let Some(response) = guarded? {
            return Ok(response.into());
        }
        let wish = route
            .compress
            .as_ref()
            .map(|rules| Wish::read(rules, parts));
        match action::run(&wanted, chosen, parts, body, record).await? {
            Done::Answer(answer) => {
                let status = answer.status();
                if route.intercept_errors && status.is_server_error() && record.upstream.is_some() {
                    return Err(Fault::Application(status));
                }
                return Ok(match wish {
                    // What no application has just sent is kept in memory, and comes again.
                    Some(wish) => {
                        let comes_again = record.upstream.is_none();
                        let response = answer.into_response();
                        wish.apply(response, &plan.compressor, comes_again).into()
                    }
                    None => answer,
                });
            }
            Done::Nothing => {}
        }
        passed.push(route);
    }
}

/// The reader knows better why a body broke off.
fn exact(fault: Fault, connection: &Connection) -> Fault {
    let refusal = connection
        .reader
        .keeper()
        .and_then(Gatekeeper::body_refusal);
    match (fault, refusal) {
        (Fault::BodyBroken, Some(refusal)) => Fault::Refused(refusal),
        _ => fault,
    }
}

fn finish(
    connection: &Connection,
    mut answer: Answer<Outbound>,
    mut record: Box<Record>,
    notes: &Notes<'_>,
) -> Answer<Recorded> {
    let last =
        record.fault.is_some_and(Fault::ends_connection) || connection.worker.sweeper.is_draining();
    let is_http1 = !matches!(connection.reader, Reader::Frames);
    answer.change(Finish {
        hsts: record.hsts.take(),
        notes,
        record: &record,
        last: last && is_http1,
    });
    record.answered(answer.status().as_u16());
    answer.map(|body| Recorded::new(body, record))
}

/// What every answer's fields get at the end.
struct Finish<'a> {
    hsts: Option<HeaderValue>,
    notes: &'a Notes<'a>,
    record: &'a Record,
    /// The connection ends with it.
    last: bool,
}

impl Change for Finish<'_> {
    fn apply(self, fields: &mut impl Fields) {
        if let Some(hsts) = &self.hsts {
            fields.set(&STRICT_TRANSPORT_SECURITY, hsts);
        }
        self.notes.apply(fields);
        if self.notes.timing
            && let Some(timing) = self.record.timing()
        {
            fields.add(&SERVER_TIMING, &timing);
        }
        fields.set_text(&X_REQUEST_ID, self.record.request_id.as_bytes());
        if self.last && !fields.has(&CONNECTION) {
            fields.add(&CONNECTION, &HeaderValue::from_static("close"));
        }
    }
}

fn server_span(parts: &Parts, visitor: &Visitor) -> Span {
    let method = &parts.method;
    let span = tracing::info_span!(
        "proxy",
        otel.name = format!("proxy {method}"),
        otel.kind = "server",
        http.request.method = %method,
        url.path = parts.uri.path(),
        url.scheme = visitor.scheme,
        request.id = &*visitor.request_id,
        http.response.status_code = tracing::field::Empty,
    );
    if let Some(trace) = &visitor.trace {
        trace.adopt(&span);
    }
    span
}

/// The reader waits for the answer to a request for a WebSocket; whatever becomes of the request, it
/// is told.
#[derive(Debug)]
pub struct AwaitedTurn<'a> {
    keeper: Option<&'a Gatekeeper>,
    arrival: Option<Arrival>,
    visitor: bool,
}

impl AwaitedTurn<'static> {
    /// Of a fetch that serves the cache; `visitor`: somebody waits for its head.
    fn of_fetch(visitor: bool) -> Self {
        Self {
            keeper: None,
            arrival: None,
            visitor,
        }
    }
}

impl<'a> AwaitedTurn<'a> {
    fn new(connection: &'a Connection) -> Self {
        let keeper = connection.reader.keeper();
        if let Some(keeper) = keeper {
            keeper.hints().open();
        }
        Self {
            keeper,
            arrival: keeper.map(Gatekeeper::next_call),
            visitor: true,
        }
    }

    /// False if no visitor waits: then there is nobody to pass hints to.
    #[must_use]
    pub fn has_visitor(&self) -> bool {
        self.visitor
    }

    /// True if the request asks for a WebSocket.
    #[must_use]
    pub fn is_upgrade(&self) -> bool {
        self.arrival.is_some_and(|arrival| arrival.upgrade)
    }

    /// 101: what follows is a tunnel's. (What [`Drop`] says after this comes too late to be heard.)
    pub fn grant(&self) {
        if let Some(keeper) = self.keeper {
            keeper.grant();
        }
    }
}

impl Drop for AwaitedTurn<'_> {
    fn drop(&mut self) {
        if let Some(keeper) = self.keeper {
            keeper.hints().close();
        }
        if self.is_upgrade()
            && let Some(keeper) = self.keeper
        {
            keeper.deny();
        }
    }
}
