//! A request's way through an upstream: it waits for its turn if it must, gets a target, and another
//! one if that fails.
//!
//! ```text
//! enter ─→ Turn ── next ─→ Attempt ─┬─ answered ─→ Turn::sit ─→ Seat, until the answer's last byte
//!                   ↑               └─ failed ──┐
//!                   └──────────────────────────┘
//! ```

use std::net::IpAddr;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::header::HeaderMap;

use super::Upstream;
use super::attempt::Attempt;
use super::balance::{Choice, Field};
use super::bound::Bound;
use super::member::Member;
use super::pool::Pool;
use super::switch::Mode;
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
    /// The target that is tried now, and those before it.
    now: Option<u64>,
    tried: Vec<u64>,
    secure: bool,
    place: Place,
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
    let mut held = None;
    let mut last: Option<(Why, Instant)> = None;
    loop {
        let mut changed = pin!(waiting.changed());
        changed.as_mut().enable();
        let why = match try_enter(upstream, ask) {
            Ok(turn) => {
                state.counts.waited(begun.elapsed());
                return Ok(turn);
            }
            Err(Refused::Final(fault)) => return Err(fault),
            Err(Refused::Wait(why)) => why,
        };
        if why != Why::Place && held.is_none() {
            held = Some(state.counts.hold());
        }
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
            state.counts.waited(begun.elapsed());
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
            now: None,
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
    // In this order: a deployment ends the hold after it has set the new targets.
    let held = plan.state.held_for();
    let bound = upstream.bound();
    let brought = plan
        .sticky
        .as_ref()
        .and_then(|one| one.brought(ask.headers));
    loop {
        let field = field(upstream, &bound, &[]);
        if let Some(each) = held
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
        let slot = bound.slots.get(index);
        let Some(slot) = slot.filter(|slot| slot.member.take()) else {
            // Another thread took the last place there in the meantime.
            continue;
        };
        // From here on the attempt gives everything back.
        let mut attempt = Attempt::new(upstream, slot);
        if let Some(rule) = plan.breaker {
            let pass = plan.state.breaker.pass(rule);
            attempt.let_in(pass.map_err(|left| Refused::Final(Fault::breaker(left)))?);
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
            self.now = Some(first.member().id);
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
                self.now = None;
                self.next().await
            }
        }
    }

    fn other(&mut self) -> Option<Attempt> {
        self.tried.extend(self.now.take());
        let upstream = &self.place.0;
        let bound = upstream.bound();
        let index = field(upstream, &bound, &self.tried).other()?;
        let slot = bound.slots.get(index)?;
        if !slot.member.take() {
            return None;
        }
        self.now = Some(slot.member.id);
        let mut attempt = Attempt::new(upstream, slot);
        attempt.bake(None, self.secure);
        Some(attempt)
    }

    async fn wait(&mut self, each: Duration) -> Option<Attempt> {
        let upstream = Rc::clone(&self.place.0);
        let state = &upstream.plan.state;
        let waiting = state.queue.queue()?;
        let begun = Instant::now();
        let _held = state.counts.hold();
        loop {
            let mut changed = pin!(waiting.changed());
            changed.as_mut().enable();
            // In this order: a deployment ends the hold after it has set the new targets.
            let over = begun.elapsed() >= each || state.held_for().is_none();
            let found = self.other();
            if found.is_some() || over {
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

impl Seat {
    pub(super) fn pool(&self) -> &Rc<Pool> {
        self.attempt.pool()
    }
}
