//! `ctl status`: what the proxy is doing.

use serde::{Deserialize, Serialize};

use super::{Context, Run, VerbError};
use crate::upstream::{BreakerState, Member, Mode, UpstreamPlan};

/// Arguments.
#[derive(Debug, clap::Args, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[command(after_help = "\
Examples:
  kiuas-proxy ctl status
  kiuas-proxy ctl status --json --socket unix:/run/kiuas/proxy.sock")]
pub struct Status {}

/// What the proxy is doing.
#[derive(Debug, Serialize, Deserialize)]
pub struct Answer {
    /// The program's version.
    pub version: String,
    /// Its process.
    pub pid: u32,
    /// It has been asked to end.
    pub draining: bool,
    /// In the order of the settings.
    pub sites: Vec<SiteStatus>,
    /// In the order of their names.
    pub upstreams: Vec<UpstreamStatus>,
}

/// A site.
#[derive(Debug, Serialize, Deserialize)]
pub struct SiteStatus {
    /// Its first host.
    pub name: String,
    /// It is being worked on.
    pub maintenance: bool,
}

/// An upstream.
#[derive(Debug, Serialize, Deserialize)]
pub struct UpstreamStatus {
    /// Its name.
    pub name: String,
    /// `open`, `paused` or `maintenance`.
    pub mode: String,
    /// The circuit breaker: `off`, `closed`, `open` or `half-open`.
    pub breaker: String,
    /// Its targets were changed by hand: the settings' are not in use.
    pub by_hand: bool,
    /// Requests under way.
    pub in_flight: usize,
    /// Requests that wait for their turn.
    pub waiting: usize,
    /// Requests that it did not answer, since the start.
    pub failed: u64,
    /// Requests that were sent a second time, since the start.
    pub retried: u64,
    /// Requests that were held by a pause or a deployment, since the start.
    pub held: u64,
    /// Deployments since the start.
    pub deployments: u64,
    /// Its targets.
    pub targets: Vec<TargetStatus>,
}

/// A target.
#[derive(Debug, Serialize, Deserialize)]
pub struct TargetStatus {
    /// Where it is.
    pub target: String,
    /// `up`, `unknown` (up, nobody has asked), `down` (the health check says so), `failing` (its
    /// requests say so) or `draining`.
    pub state: String,
    /// Its share of the requests.
    pub weight: u32,
    /// It gets requests only while no other is up.
    pub backup: bool,
    /// Requests under way.
    pub in_flight: usize,
    /// Open WebSockets.
    pub websockets: usize,
    /// Requests sent here so far.
    pub requests: u64,
    /// Those that it did not answer.
    pub failures: u64,
}

impl From<&Member> for TargetStatus {
    fn from(member: &Member) -> Self {
        Self {
            target: member.spec.target.to_string(),
            state: member.state_name().to_owned(),
            weight: member.spec.weight,
            backup: member.spec.backup,
            in_flight: member.in_flight(),
            websockets: member.tunnels(),
            requests: member.requests(),
            failures: member.failures(),
        }
    }
}

impl From<&UpstreamPlan> for UpstreamStatus {
    fn from(upstream: &UpstreamPlan) -> Self {
        let state = &upstream.state;
        let tally = state.counts.tally();
        let mode = match state.switch.mode().as_deref() {
            None | Some(Mode::Open) => "open",
            Some(Mode::Paused(_)) => "paused",
            Some(Mode::Maintenance(_)) => "maintenance",
        };
        let breaker = match state.breaker() {
            _ if !upstream.has_breaker() => "off",
            BreakerState::Closed => "closed",
            BreakerState::Open(_) => "open",
            BreakerState::HalfOpen => "half-open",
        };
        Self {
            name: upstream.name.clone(),
            mode: mode.to_owned(),
            breaker: breaker.to_owned(),
            by_hand: state.is_by_hand(),
            in_flight: state.active(),
            waiting: state.waiting(),
            failed: tally.failed,
            retried: tally.retried,
            held: tally.held,
            deployments: state.deployments(),
            targets: state.members().iter().map(|one| (&**one).into()).collect(),
        }
    }
}

impl Run for Status {
    const NAME: &'static str = "status";
    type Answer = Answer;

    async fn run(self, context: &Context) -> Result<Answer, VerbError> {
        let plan = context.shared.plans.get();
        let site = |site: &crate::plan::Site| SiteStatus {
            name: site.name.clone(),
            maintenance: context.shared.closed_sites.of(&site.name).is_some(),
        };
        Ok(Answer {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            draining: context.shared.shutdown.is_draining(),
            sites: plan.sites.all().iter().map(site).collect(),
            upstreams: plan.upstreams.iter().map(|one| (&**one).into()).collect(),
        })
    }

    fn human(answer: &Answer) -> String {
        let state = if answer.draining {
            "draining"
        } else {
            "serving"
        };
        let mut text = format!(
            "kiuas-proxy {}, process {}, {state}\n",
            answer.version, answer.pid
        );
        for site in answer.sites.iter().filter(|site| site.maintenance) {
            text.push_str(&format!("site {} is in maintenance\n", site.name));
        }
        for upstream in &answer.upstreams {
            text.push_str(&in_words(upstream));
        }
        text
    }
}

fn in_words(upstream: &UpstreamStatus) -> String {
    let mut text = format!(
        "\n{}: {}, {} in flight, {} waiting, {} failed, {} retried, {} held",
        upstream.name,
        upstream.mode,
        upstream.in_flight,
        upstream.waiting,
        upstream.failed,
        upstream.retried,
        upstream.held
    );
    if upstream.breaker != "off" {
        text.push_str(&format!(", breaker {}", upstream.breaker));
    }
    if upstream.by_hand {
        text.push_str(", targets changed by hand");
    }
    text.push('\n');
    let width = upstream.targets.iter().map(|one| one.target.len()).max();
    for target in &upstream.targets {
        text.push_str(&format!(
            "  {:width$}  {:8}  weight {}{}  {} in flight, {} requests, {} failures\n",
            target.target,
            target.state,
            target.weight,
            if target.backup { ", backup" } else { "" },
            target.in_flight,
            target.requests,
            target.failures,
            width = width.unwrap_or(0)
        ));
    }
    text
}
