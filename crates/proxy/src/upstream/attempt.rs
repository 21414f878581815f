//! One try of a request at one target: counted there while it lives, told how it went.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use http::StatusCode;
use http::header::{HeaderValue, SET_COOKIE};

use super::bound::Slot;
use super::breaker::Pass;
use super::member::{Member, Mooring};
use super::pool::Pool;
use super::{Target, Upstream};
use crate::lines::Fields;

/// A target that the request is sent to. It counts as in flight there until this is dropped.
#[derive(Debug)]
pub struct Attempt {
    upstream: Rc<Upstream>,
    slot: Rc<Slot>,
    pass: Pass,
    told: Cell<bool>,
    cookie: Option<HeaderValue>,
}

impl Attempt {
    pub(super) fn new(upstream: &Rc<Upstream>, slot: &Rc<Slot>) -> Self {
        let attempt = Self {
            upstream: Rc::clone(upstream),
            slot: Rc::clone(slot),
            pass: Pass::Plain,
            told: Cell::new(false),
            cookie: None,
        };
        let timeout = upstream.plan.passive.timeout();
        attempt.member().fails.chosen(timeout);
        attempt
    }

    /// The circuit breaker let it in like this.
    pub(super) fn let_in(&mut self, pass: Pass) {
        self.pass = pass;
    }

    /// Decides which cookie the answer sets, if any; `brought` is what the visitor has.
    pub(super) fn bake(&mut self, brought: Option<&[u8]>, secure: bool) {
        let Some(sticky) = &self.upstream.plan.sticky else {
            return;
        };
        let tag = self.member().tag();
        if brought != Some(tag.as_bytes()) {
            self.cookie = sticky.cookie(tag, secure);
        }
    }

    pub(super) fn member(&self) -> &Arc<Member> {
        &self.slot.member
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
    pub(super) fn pool(&self) -> &Rc<Pool> {
        &self.slot.pool
    }

    /// The head of an answer came.
    pub(super) fn answered(&self, status: StatusCode, fields: &mut impl Fields) {
        if self.member().fails.succeeded() {
            tracing::info!(
                upstream.name = self.upstream.plan.name,
                upstream.target = %self.target(),
                "`{}` answers again",
                self.target()
            );
        }
        self.tell(status < StatusCode::INTERNAL_SERVER_ERROR);
        if let Some(cookie) = &self.cookie {
            fields.add(&SET_COOKIE, cookie);
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
