//! An application behind the proxy: what is fixed ([`UpstreamPlan`]), what all threads share of it while
//! it runs ([`State`]: targets, queue, health), and what each thread has of it ([`Upstream`]:
//! connections kept for reuse).

mod admission;
mod attempt;
mod balance;
mod bound;
mod breaker;
mod client;
mod clock;
mod collector;
mod connect;
mod deploy;
mod forward;
mod h2c;
mod handshake;
mod headers;
mod health;
mod member;
mod passive;
mod plan;
mod pool;
mod probe;
mod relay;
mod state;
mod sticky;
mod switch;
mod target;
mod turn;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::metrics::gauge::Gauge;

pub use attempt::Attempt;
pub use breaker::BreakerState;
pub use client::{AnswerHead, Asked, BadAnswer, Event, Framer, Framing};
pub use collector::UpstreamCollector;
pub use deploy::{Deployment, Report, TargetProbe, deploy, dismiss_later, finished, gate};
pub use forward::{Forwarded, Sent, Switched, Trail, forward};
pub use h2c::Multiplexed;
pub use handshake::Handshake;
pub use headers::{Call, Told};
pub use health::watch;
pub use member::{Health, Member, Mooring};
pub use plan::UpstreamPlan;
pub use probe::{Probe, probe};
pub use relay::Relay;
pub use state::{Counts, Deploying, State, Tally};
pub use sticky::{keep_sticky_key, sticky_key_text};
pub use switch::{Mode, Switch};
pub use target::{Spec, Target};
pub use turn::{Ask, Seat, Turn, enter};

use crate::fault::Fault;
use crate::maintenance::Maintenance;
use crate::meter::{Cells, Meter};
use bound::Bound;

/// What one thread has of an upstream.
#[derive(Debug)]
pub struct Upstream {
    plan: Arc<UpstreamPlan>,
    bound: RefCell<Rc<Bound>>,
    meter: Meter,
    connections: Gauge,
    cells: Arc<Cells>,
}

impl Upstream {
    /// Nothing is connected yet.
    #[must_use]
    pub fn new(plan: &Arc<UpstreamPlan>, meter: &Meter) -> Self {
        Self {
            bound: RefCell::new(Rc::new(Bound::new(plan, None))),
            plan: Arc::clone(plan),
            meter: meter.clone(),
            connections: meter.upstream_connections(&plan.name),
            cells: meter.upstreams.here(&plan.name),
        }
    }

    /// It took so long to the head of its answer.
    pub fn took(&self, duration: Duration) {
        self.cells.took(duration);
    }

    /// True if this thread's part belongs to `plan`.
    #[must_use]
    pub fn is_of(&self, plan: &Arc<UpstreamPlan>) -> bool {
        Arc::ptr_eq(&self.plan, plan)
    }

    /// What is fixed about it.
    #[must_use]
    pub fn plan(&self) -> &Arc<UpstreamPlan> {
        &self.plan
    }

    /// Its name in the settings.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.plan.name
    }

    /// The work that is being done on it.
    #[must_use]
    pub fn maintenance(&self) -> Option<Arc<Maintenance>> {
        match &*self.plan.state.switch.mode()? {
            Mode::Maintenance(work) => Some(Arc::clone(work)),
            Mode::Open | Mode::Paused(_) => None,
        }
    }

    /// Counts a request that it did not answer.
    pub fn note(&self, fault: Fault) {
        if let Some(kind) = fault.upstream_kind() {
            self.meter.failed(&self.plan.name, kind);
            self.plan.state.counts.fail();
        }
    }

    /// Counts a request that is sent a second time.
    pub(crate) fn note_retry(&self) {
        self.meter.retried(&self.plan.name);
        self.plan.state.counts.retry();
    }

    /// Closes connections that were idle for too long, and those to targets that are gone.
    pub fn sweep(&self) {
        for slot in &self.bound().slots {
            slot.pool.sweep();
        }
    }

    /// Requests of all threads that wait for a place.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.plan.state.queue.waiting()
    }

    /// The targets in use now.
    fn bound(&self) -> Rc<Bound> {
        let generation = self.plan.state.generation();
        if self.bound.borrow().generation != generation {
            let new = Bound::new(&self.plan, Some(&self.bound.borrow()));
            self.bound.replace(Rc::new(new));
        }
        Rc::clone(&self.bound.borrow())
    }
}
