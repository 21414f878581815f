//! What all threads share of an upstream while it runs. It outlives a reload: the settings say how it
//! begins, what an operator changed by hand stays.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;

use super::admission::{Admission, Bounds};
use super::breaker::Breaker;
use super::clock;
use super::member::{Health, Member};
use super::switch::{Mode, Switch};
use super::target::Spec;

/// An upstream while it runs.
#[derive(Debug)]
pub struct State {
    members: ArcSwap<Vec<Arc<Member>>>,
    generation: AtomicU64,
    by_hand: AtomicBool,
    pub(super) queue: Admission,
    /// Paused, in maintenance, or open.
    pub switch: Switch,
    pub(super) breaker: Breaker,
    hold_until: AtomicU64,
    hold: AtomicU64,
    deploying: AtomicBool,
    deployments: AtomicU64,
    /// What happened so far.
    pub counts: Counts,
}

/// What happened to requests so far.
#[derive(Debug, Default)]
pub struct Counts {
    failed: AtomicU64,
    retried: AtomicU64,
    held: AtomicU64,
    held_now: AtomicUsize,
    longest: AtomicU64,
}

/// [`Counts`] at a moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Got no answer from the application.
    pub failed: u64,
    /// Were sent to an application a second time.
    pub retried: u64,
    /// Waited because of a pause or a deployment.
    pub held: u64,
    /// Longest wait for a turn, in milliseconds.
    pub longest: u64,
}

impl Counts {
    pub(super) fn fail(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn retry(&self) {
        self.retried.fetch_add(1, Ordering::Relaxed);
    }

    /// A request has waited for its turn.
    pub(super) fn waited(&self, wait: Duration) {
        self.longest
            .fetch_max(clock::millis(wait), Ordering::Relaxed);
    }

    /// A request is held from now on, until what this returns is dropped.
    pub(super) fn hold(&self) -> Held<'_> {
        self.held.fetch_add(1, Ordering::Relaxed);
        self.held_now.fetch_add(1, Ordering::Relaxed);
        Held(self, Instant::now())
    }

    /// Requests that are held now.
    pub(super) fn held_now(&self) -> usize {
        self.held_now.load(Ordering::Acquire)
    }

    /// Now.
    #[must_use]
    pub fn tally(&self) -> Tally {
        Tally {
            failed: self.failed.load(Ordering::Relaxed),
            retried: self.retried.load(Ordering::Relaxed),
            held: self.held.load(Ordering::Relaxed),
            longest: self.longest.load(Ordering::Relaxed),
        }
    }

    /// Forgets the longest wait: a report begins.
    pub fn begin_report(&self) {
        self.longest.store(0, Ordering::Relaxed);
    }
}

/// A request that is held by a pause or a deployment.
#[derive(Debug)]
pub(super) struct Held<'a>(&'a Counts, Instant);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.waited(self.1.elapsed());
        self.0.held_now.fetch_sub(1, Ordering::Release);
    }
}

impl State {
    pub(super) fn new(specs: &[Spec], bounds: Bounds) -> Self {
        Self {
            members: ArcSwap::from_pointee(specs.iter().cloned().map(Member::new).collect()),
            generation: AtomicU64::new(0),
            by_hand: AtomicBool::new(false),
            queue: Admission::new(bounds),
            switch: Switch::default(),
            breaker: Breaker::default(),
            hold_until: AtomicU64::new(0),
            hold: AtomicU64::new(0),
            deploying: AtomicBool::new(false),
            deployments: AtomicU64::new(0),
            counts: Counts::default(),
        }
    }

    /// The targets in use.
    #[must_use]
    pub fn members(&self) -> Arc<Vec<Arc<Member>>> {
        self.members.load_full()
    }

    /// Counts the changes of the targets: a thread's copy with the same number is current.
    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// From now on requests go to these. Those under way are not touched.
    pub fn set_members(&self, members: Vec<Arc<Member>>) {
        self.members.store(Arc::new(members));
        self.generation.fetch_add(1, Ordering::Release);
        self.queue.wake_all();
    }

    /// The targets for `specs`: those in use that are the same, and new ones.
    #[must_use]
    pub fn members_for(&self, specs: &[Spec]) -> Vec<Arc<Member>> {
        let old = self.members();
        let member = |spec: &Spec| {
            old.iter()
                .find(|member| member.spec == *spec)
                .map_or_else(|| Member::new(spec.clone()), Arc::clone)
        };
        specs.iter().map(member).collect()
    }

    /// New settings. Targets that were changed by hand stay as they are.
    pub(super) fn reconfigure(&self, specs: &[Spec], bounds: Bounds) {
        self.queue.set(bounds);
        if !self.is_by_hand() {
            self.set_members(self.members_for(specs));
        }
    }

    /// The targets were changed by hand.
    #[must_use]
    pub fn is_by_hand(&self) -> bool {
        self.by_hand.load(Ordering::Acquire)
    }

    /// Says whether the targets are those of the settings or were changed by hand.
    pub fn set_by_hand(&self, by_hand: bool) {
        self.by_hand.store(by_hand, Ordering::Release);
    }

    /// Something changed for those who wait: a target came up, a pause ended.
    pub fn wake(&self) {
        self.queue.wake_all();
    }

    /// Requests that have their turn.
    #[must_use]
    pub fn active(&self) -> usize {
        self.queue.active()
    }

    /// Requests that wait for their turn.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.queue.waiting()
    }

    /// What the circuit breaker is doing.
    #[must_use]
    pub fn breaker(&self) -> super::BreakerState {
        self.breaker.state()
    }

    /// For the next `period`, requests for which no target is up wait for at most `each`.
    pub fn hold(&self, period: Duration, each: Duration) {
        self.hold.store(clock::millis(each), Ordering::Relaxed);
        let until = clock::now().saturating_add(clock::millis(period));
        self.hold_until.store(until, Ordering::Release);
    }

    /// Nobody waits for a target any longer.
    pub fn end_hold(&self) {
        self.hold_until.store(0, Ordering::Release);
        self.queue.wake_all();
    }

    /// How long a request waits now for a target.
    pub(super) fn held_for(&self) -> Option<Duration> {
        let until = self.hold_until.load(Ordering::Acquire);
        (until != 0 && clock::now() < until)
            .then(|| Duration::from_millis(self.hold.load(Ordering::Relaxed)))
    }

    /// The right to change the targets; `None` while somebody else has it.
    #[must_use]
    pub fn begin_change(&self) -> Option<Deploying<'_>> {
        (!self.deploying.swap(true, Ordering::AcqRel)).then_some(Deploying(self))
    }

    pub(super) fn note_deployment(&self) {
        self.deployments.fetch_add(1, Ordering::Relaxed);
    }

    /// Deployments since the start.
    #[must_use]
    pub fn deployments(&self) -> u64 {
        self.deployments.load(Ordering::Relaxed)
    }

    /// One target more, which is known to be well. Only with the right to change.
    pub fn add(&self, spec: Spec) {
        let member = Member::new(spec);
        member.set_health(Health::Up);
        member.begin_slowly();
        let mut members = Vec::clone(&self.members.load());
        members.push(member);
        self.set_by_hand(true);
        self.set_members(members);
    }

    /// One target less. Only with the right to change.
    pub fn remove(&self, member: &Member) {
        let mut members = Vec::clone(&self.members.load());
        members.retain(|one| one.id != member.id);
        self.set_by_hand(true);
        self.set_members(members);
    }

    /// Back to the settings: their targets, nothing paused or closed, nothing draining.
    pub fn reset(&self, specs: &[Spec]) {
        let members = self.members_for(specs);
        for member in &members {
            member.set_draining(false);
        }
        self.set_by_hand(false);
        self.switch.set(Mode::Open);
        self.breaker.close();
        self.set_members(members);
    }
}

/// The right to change an upstream's targets: one at a time.
#[derive(Debug)]
pub struct Deploying<'a>(&'a State);

impl Drop for Deploying<'_> {
    fn drop(&mut self) {
        self.0.deploying.store(false, Ordering::Release);
    }
}
