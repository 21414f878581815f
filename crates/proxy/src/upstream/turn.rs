//! A request's way through an upstream: it waits for its turn if it must, gets a target, and another
//! one if that fails.
//!
//! ```text
//! enter ─→ Turn ── next ─→ Attempt ─┬─ answered ─→ Turn::sit ─→ Seat, until the answer's last byte
//!                   ↑               └─ failed ──┐
//!                   └──────────────────────────┘
//! ```

use std::cell::Cell;
use std::net::IpAddr;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::header::{HeaderMap, HeaderValue, SET_COOKIE};
use http::{Response, StatusCode};

use super::balance::{Choice, Field};
use super::bound::Bound;
use super::breaker::Pass;
use super::member::{Member, Mooring};
use super::pool::Pool;
use super::switch::Mode;
use super::{Target, Upstream};
use crate::fault::Fault;

/// What an upstream must know about a request.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// The visitor's fields: its cookie may name a target.
    pub headers: &'a HeaderMap,
    /// The visitor.
    pub client: Option<IpAddr>,
    /// It came over HTTPS.
    pub secure: bool,
}

/// A request that has its turn.
#[derive(Debug)]
pub struct Turn {
    first: Option<Attempt>,
    tried: Vec<u64>,
    secure: bool,
    place: Place,
}

/// A target that the request is sent to. It counts as in flight there until this is dropped.
#[derive(Debug)]
pub struct Attempt {
    upstream: Rc<Upstream>,
    bound: Rc<Bound>,
    index: usize,
    pass: Pass,
    told: Cell<bool>,
    cookie: Option<HeaderValue>,
}

/// The target that answers and the request's place, until the answer is complete.
#[derive(Debug)]
pub struct Seat {
    // In this order: who is woken by the free place must find room at the target.
    attempt: Attempt,
    #[expect(dead_code, reason = "held for its drop")]
    place: Place,
}

#[derive(Debug)]
struct Place(Rc<Upstream>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.plan.state.queue.give_back();
    }
}

/// Why a request has no turn yet.
enum Refused {
    Wait(Why),
    Final(Fault),
}

/// What it waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    Place,
    Pause(Duration),
    Target(Duration),
}

impl Why {
    fn fault(self) -> Fault {
        match self {
            Self::Place => Fault::Busy,
            Self::Pause(_) => Fault::Paused,
            Self::Target(_) => Fault::NoTarget,
        }
    }
}

/// A request's turn at `upstream`: at once, or after a bounded wait.
///
/// # Errors
/// It is turned away.
pub async fn enter(upstream: &Rc<Upstream>, ask: &Ask<'_>) -> Result<Turn, Fault> {
    if upstream.plan.state.queue.waiting() == 0 {
        match try_enter(upstream, ask) {
            Ok(turn) => return Ok(turn),
            Err(Refused::Final(fault)) => return Err(fault),
            Err(Refused::Wait(_)) => {}
        }
    }
    Box::pin(wait(upstream, ask)).await
}

async fn wait(upstream: &Rc<Upstream>, ask: &Ask<'_>) -> Result<Turn, Fault> {
    let state = &upstream.plan.state;
    let waiting = state.queue.queue().ok_or(Fault::Busy)?;
    let begun = Instant::now();
    let mut held = false;
    let mut last: Option<(Why, Instant)> = None;
    loop {
        let mut changed = pin!(waiting.changed());
        changed.as_mut().enable();
        let why = match try_enter(upstream, ask) {
            Ok(turn) => {
                state.counts.waited(held, begun.elapsed());
                return Ok(turn);
            }
            Err(Refused::Final(fault)) => return Err(fault),
            Err(Refused::Wait(why)) => why,
        };
        held |= why != Why::Place;
        // Each reason has its own patience: after a pause, a place may be waited for.
        let since = match last {
            Some((before, since)) if before == why => since,
            _ => Instant::now(),
        };
        last = Some((why, since));
        let deadline = since
            + match why {
                Why::Place => state.queue.patience(),
                Why::Pause(each) | Why::Target(each) => each,
            };
        if Instant::now() >= deadline {
            state.counts.waited(held, begun.elapsed());
            return Err(why.fault());
        }
        // Late or not: it looks once more.
        drop(tokio::time::timeout_at(deadline.into(), changed).await);
    }
}

fn try_enter(upstream: &Rc<Upstream>, ask: &Ask<'_>) -> Result<Turn, Refused> {
    let plan = &upstream.plan;
    let state = &plan.state;
    if let Some(mode) = state.switch.mode() {
        match &*mode {
            Mode::Paused(each) => return Err(Refused::Wait(Why::Pause(*each))),
            Mode::Maintenance(work) if !work.lets_pass(ask.client) => {
                return Err(Refused::Final(Fault::Maintenance));
            }
            Mode::Maintenance(_) | Mode::Open => {}
        }
    }
    if !state.queue.take() {
        return Err(Refused::Wait(Why::Place));
    }
    match choose(upstream, ask) {
        Ok(attempt) => Ok(Turn {
            first: Some(attempt),
            tried: Vec::new(),
            secure: ask.secure,
            place: Place(Rc::clone(upstream)),
        }),
        Err(refused) => {
            state.queue.put_back();
            Err(refused)
        }
    }
}

fn choose(upstream: &Rc<Upstream>, ask: &Ask<'_>) -> Result<Attempt, Refused> {
    let plan = &upstream.plan;
    let bound = upstream.bound();
    let brought = plan
        .sticky
        .as_ref()
        .and_then(|one| one.brought(ask.headers));
    loop {
        let field = field(upstream, &bound, &[]);
        if let Some(each) = plan.state.held_for()
            && !field.is_any_up()
        {
            return Err(Refused::Wait(Why::Target(each)));
        }
        let index = match known(&bound.members, brought) {
            Some(index) => index,
            None => match field.first() {
                Choice::Member(index) => index,
                Choice::Full => return Err(Refused::Wait(Why::Place)),
                Choice::Down => return Err(Refused::Final(Fault::NoTarget)),
            },
        };
        if !bound.members.get(index).is_some_and(|member| member.take()) {
            // Another thread took the last place there in the meantime.
            continue;
        }
        // From here on the attempt gives everything back.
        let mut attempt = Attempt::new(upstream, &bound, index);
        if let Some(rule) = plan.breaker {
            let pass = plan.state.breaker.pass(rule);
            attempt.pass = pass.map_err(|left| Refused::Final(Fault::breaker(left)))?;
        }
        attempt.bake(brought, ask.secure);
        return Ok(attempt);
    }
}

/// The target that the visitor's cookie names, if it is up and has room.
fn known(members: &[Arc<Member>], brought: Option<&[u8]>) -> Option<usize> {
    let tag = brought?;
    members
        .iter()
        .position(|one| one.tag().as_bytes() == tag && one.is_up() && one.has_room())
}

fn field<'a>(upstream: &Upstream, bound: &'a Bound, tried: &'a [u64]) -> Field<'a> {
    Field {
        members: &bound.members,
        turns: &bound.turns,
        tried,
        balance: upstream.plan.balance,
        slow: upstream.plan.slow_start,
    }
}

impl Turn {
    /// The target to try: the first, and after a failure one that was not tried yet. During a
    /// deployment it may wait for one, for a bounded time.
    pub async fn next(&mut self) -> Option<Attempt> {
        if let Some(first) = self.first.take() {
            self.tried.push(first.member().id);
            return Some(first);
        }
        if let Some(other) = self.other() {
            return Some(other);
        }
        let each = self.place.0.plan.state.held_for()?;
        Box::pin(self.wait(each)).await
    }

    /// A target for a second attempt: another one if there is one, else any.
    pub async fn again(&mut self) -> Option<Attempt> {
        match self.other() {
            Some(other) => Some(other),
            None => {
                self.tried.clear();
                self.next().await
            }
        }
    }

    fn other(&mut self) -> Option<Attempt> {
        let upstream = &self.place.0;
        let bound = upstream.bound();
        let index = field(upstream, &bound, &self.tried).other()?;
        let member = bound.members.get(index)?;
        if !member.take() {
            return None;
        }
        self.tried.push(member.id);
        let mut attempt = Attempt::new(upstream, &bound, index);
        attempt.bake(None, self.secure);
        Some(attempt)
    }

    async fn wait(&mut self, each: Duration) -> Option<Attempt> {
        let upstream = Rc::clone(&self.place.0);
        let state = &upstream.plan.state;
        let waiting = state.queue.queue()?;
        let begun = Instant::now();
        loop {
            let mut changed = pin!(waiting.changed());
            changed.as_mut().enable();
            let found = self.other();
            if found.is_some() || begun.elapsed() >= each || state.held_for().is_none() {
                state.counts.waited(true, begun.elapsed());
                return found;
            }
            let deadline = begun + each;
            drop(tokio::time::timeout_at(deadline.into(), changed).await);
        }
    }

    /// `attempt` has answered: it keeps the place until the answer is complete.
    #[must_use]
    pub fn sit(self, attempt: Attempt) -> Seat {
        Seat {
            attempt,
            place: self.place,
        }
    }
}

impl Attempt {
    fn new(upstream: &Rc<Upstream>, bound: &Rc<Bound>, index: usize) -> Self {
        let attempt = Self {
            upstream: Rc::clone(upstream),
            bound: Rc::clone(bound),
            index,
            pass: Pass::Plain,
            told: Cell::new(false),
            cookie: None,
        };
        let timeout = upstream.plan.passive.timeout();
        attempt.member().fails.chosen(timeout);
        attempt
    }

    fn bake(&mut self, brought: Option<&[u8]>, secure: bool) {
        let Some(sticky) = &self.upstream.plan.sticky else {
            return;
        };
        let tag = self.member().tag();
        if brought != Some(tag.as_bytes()) {
            self.cookie = sticky.cookie(tag, secure);
        }
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "the index was found in this very list, which never changes"
    )]
    fn member(&self) -> &Arc<Member> {
        &self.bound.members[self.index]
    }

    /// Where it is.
    #[must_use]
    pub fn target(&self) -> &Target {
        &self.member().spec.target
    }

    /// What it answers becomes a WebSocket, which takes no place among its requests.
    pub(super) fn moor(&self) -> Mooring {
        Mooring::new(self.member())
    }

    /// This thread's connections to it.
    #[expect(
        clippy::indexing_slicing,
        reason = "there is a pool for each member of the same list"
    )]
    pub(super) fn pool(&self) -> &Rc<Pool> {
        &self.bound.pools[self.index]
    }

    /// The head of an answer came.
    pub(super) fn answered<B>(&self, response: &mut Response<B>) {
        if self.member().fails.succeeded() {
            tracing::info!(
                upstream.name = self.upstream.plan.name,
                upstream.target = %self.target(),
                "`{}` answers again",
                self.target()
            );
        }
        self.tell(response.status() < StatusCode::INTERNAL_SERVER_ERROR);
        if let Some(cookie) = &self.cookie {
            response.headers_mut().append(SET_COOKIE, cookie.clone());
        }
    }

    /// No connection, no answer in time, or a broken one.
    pub(super) fn failed(&self) {
        let plan = &self.upstream.plan;
        let member = self.member();
        member.note_failure();
        if member.fails.failed(plan.passive) {
            tracing::warn!(
                upstream.name = plan.name,
                upstream.target = %self.target(),
                "`{}` gets no requests for {:?}: they failed",
                self.target(),
                plan.passive.timeout()
            );
        }
        self.tell(false);
    }

    fn tell(&self, good: bool) {
        let plan = &self.upstream.plan;
        if self.told.replace(true) {
            return;
        }
        if let Some(rule) = plan.breaker
            && plan.state.breaker.tell(rule, self.pass, good)
        {
            tracing::warn!(
                upstream.name = plan.name,
                "the circuit breaker of `{}` opens: too many requests fail",
                plan.name
            );
        }
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        let state = &self.upstream.plan.state;
        if self.pass == Pass::Trial && !self.told.get() {
            state.breaker.give_up();
        }
        let member = self.member();
        member.give_back();
        if member.spec.most != 0 {
            state.queue.wake_one();
        }
    }
}

impl Seat {
    pub(super) fn pool(&self) -> &Rc<Pool> {
        self.attempt.pool()
    }
}
