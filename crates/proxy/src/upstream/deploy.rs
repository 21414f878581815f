//! A change of targets without a lost request: the new ones must answer a real question, then requests
//! go to them from one moment to the next, then the old ones finish what they have.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::clock::millis;
use super::member::{Health, Member};
use super::plan::UpstreamPlan;
use super::probe::{Probe, probe};
use super::state::{Deploying, Tally};
use super::target::{Spec, Target};
use crate::settings::HealthSettings;

/// Between two questions to a target that is not well yet.
const PAUSE: Duration = Duration::from_millis(200);
/// For requests that were held to go on.
const RELEASE: Duration = Duration::from_secs(1);
/// How often it is looked whether the old ones are done.
const LOOK: Duration = Duration::from_millis(20);

/// What is wanted.
#[derive(Debug)]
pub struct Deployment {
    /// The new targets, all of them.
    pub targets: Vec<Spec>,
    /// How they are asked whether they are well.
    pub health: HealthSettings,
    /// How long they may take.
    pub deploy_timeout: Duration,
    /// How long the old ones may take to finish.
    pub drain_timeout: Duration,
    /// How long the WebSockets of the old ones may stay.
    pub websocket_timeout: Duration,
    /// How long a request may wait for them while no old one is up.
    pub hold: Duration,
}

/// What happened.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Report {
    /// The upstream.
    pub upstream: String,
    /// The targets in use after it.
    pub targets: Vec<String>,
    /// Requests go to the new targets.
    pub switched: bool,
    /// The last answer of each new target to the health question.
    pub probes: Vec<TargetProbe>,
    /// How long the new ones took to be well.
    pub gate_ms: u64,
    /// How long the old ones took to finish.
    pub drain_ms: u64,
    /// Requests that the old ones had not finished by then; they go on.
    pub unfinished: usize,
    /// Open WebSockets of the old ones; they end by themselves, or are told to leave at their time.
    pub websockets: usize,
    /// Requests to this upstream that failed in the meantime.
    pub failed: u64,
    /// Those that were sent a second time.
    pub retried: u64,
    /// Those that waited for a target.
    pub held: u64,
    /// The longest wait of any request, in milliseconds.
    pub longest_wait_ms: u64,
}

/// A target and its answer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TargetProbe {
    /// The target.
    pub target: String,
    /// Its last answer.
    pub answer: Probe,
}

/// While it lives, requests may wait for a target.
struct Holding<'a>(&'a UpstreamPlan);

impl Drop for Holding<'_> {
    fn drop(&mut self) {
        self.0.state.end_hold();
    }
}

/// Does it. `switched` is waited for as soon as requests go to the new targets. Dropped at any moment,
/// it has done all of the switch or nothing.
pub async fn deploy(
    plan: &Arc<UpstreamPlan>,
    deployment: &Deployment,
    _turn: &Deploying<'_>,
    switched: impl Future<Output = ()> + Send,
) -> Report {
    let state = &plan.state;
    let before = state.counts.tally();
    state.counts.begin_report();
    let begun = Instant::now();
    state.hold(deployment.deploy_timeout, deployment.hold);
    let holding = Holding(plan);
    let probes = gate(
        &deployment.targets,
        &deployment.health,
        deployment.deploy_timeout,
    )
    .await;
    let good = probes.iter().all(|probe| probe.answer.good);
    let mut report = Report {
        upstream: plan.name.clone(),
        targets: Vec::new(),
        switched: good,
        probes,
        gate_ms: millis(begun.elapsed()),
        drain_ms: 0,
        unfinished: 0,
        websockets: 0,
        failed: 0,
        retried: 0,
        held: 0,
        longest_wait_ms: 0,
    };
    if good {
        let old = state.members();
        switch(plan, state.members_for(&deployment.targets));
        drop(holding);
        let left: Vec<Arc<Member>> = gone(&old, &state.members());
        dismiss_later(&left, deployment.websocket_timeout);
        switched.await;
        let draining = Instant::now();
        report.unfinished = finished(&left, deployment.drain_timeout).await;
        let released = async {
            while state.counts.held_now() > 0 {
                tokio::time::sleep(LOOK).await;
            }
        };
        // So that the report has the longest wait. (A pause may hold them for longer.)
        drop(tokio::time::timeout(RELEASE, released).await);
        report.drain_ms = millis(draining.elapsed());
        report.websockets = left.iter().map(|member| member.tunnels()).sum();
    } else {
        drop(holding);
    }
    report.targets = names(&state.members());
    report.count(before, state.counts.tally());
    report
}

impl Report {
    fn count(&mut self, before: Tally, after: Tally) {
        self.failed = after.failed - before.failed;
        self.retried = after.retried - before.retried;
        self.held = after.held - before.held;
        self.longest_wait_ms = after.longest;
    }
}

/// From here on requests go to `members`.
fn switch(plan: &UpstreamPlan, members: Vec<Arc<Member>>) {
    for member in &members {
        member.set_draining(false);
        if member.health() != Health::Up {
            member.begin_slowly();
        }
        member.set_health(Health::Up);
    }
    plan.state.note_deployment();
    plan.state.set_members(members);
    plan.state.set_by_hand(true);
    plan.state.breaker.close();
}

fn gone(old: &[Arc<Member>], new: &[Arc<Member>]) -> Vec<Arc<Member>> {
    old.iter()
        .filter(|one| !new.iter().any(|other| other.id == one.id))
        .map(Arc::clone)
        .collect()
}

fn names(members: &[Arc<Member>]) -> Vec<String> {
    members
        .iter()
        .map(|member| member.spec.target.to_string())
        .collect()
}

/// Asks all `targets` until each has given a good answer, for at most `limit`. The last answers, in the
/// same order.
pub async fn gate(targets: &[Spec], health: &HealthSettings, limit: Duration) -> Vec<TargetProbe> {
    let until = Instant::now() + limit;
    let asking = targets.iter().map(|spec| well(&spec.target, health, until));
    futures_util::future::join_all(asking).await
}

/// The first good answer, or the last one before `until`.
async fn well(target: &Target, health: &HealthSettings, until: Instant) -> TargetProbe {
    let mut health = health.clone();
    let each = health.timeout.0;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        health.timeout.0 = each.min(left.max(PAUSE));
        let answer = probe(target, &health).await;
        if answer.good || Instant::now() + PAUSE >= until {
            return TargetProbe {
                target: target.to_string(),
                answer,
            };
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Tells the WebSockets of `members`, which are out of use, to leave after `patience`.
pub fn dismiss_later(members: &[Arc<Member>], patience: Duration) {
    let members = members.to_vec();
    #[expect(
        clippy::disallowed_methods,
        reason = "it waits for others' WebSockets, and must not hold up a drain of the proxy"
    )]
    tokio::spawn(async move {
        tokio::time::sleep(patience).await;
        for member in members {
            member.dismiss();
        }
    });
}

/// Waits until none of `members` has a request, for at most `limit`; says how many are left.
pub async fn finished(members: &[Arc<Member>], limit: Duration) -> usize {
    let until = Instant::now() + limit;
    let mut before = usize::MAX;
    loop {
        let left = members.iter().map(|member| member.in_flight()).sum();
        // Twice: a thread may just have chosen one of them without having told it.
        if (left == 0 && before == 0) || Instant::now() >= until {
            return left;
        }
        before = left;
        tokio::time::sleep(LOOK).await;
    }
}
