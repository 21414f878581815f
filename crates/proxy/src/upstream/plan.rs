//! What is fixed about an upstream: its settings, checked and resolved.

use std::sync::Arc;
use std::time::Duration;

use super::admission::Bounds;
use super::state::State;
use super::sticky::Sticky;
use super::target::Spec;
use super::{breaker, clock, passive};
use crate::plan::Problems;
use crate::settings::{Balance, HealthSettings, Protocol, UpstreamSettings};

/// More targets than this are not one upstream.
const MOST_TARGETS: usize = 256;

/// What is fixed about an upstream, and its [`State`].
#[derive(Debug)]
pub struct UpstreamPlan {
    /// Its name in the settings.
    pub name: String,
    /// What it begins with.
    pub targets: Vec<Spec>,
    /// What the targets speak.
    pub protocol: Protocol,
    /// To connect to one target.
    pub connect_timeout: Duration,
    /// To the answer's head, and between two pieces of its body.
    pub response_timeout: Duration,
    /// For an idle connection.
    pub idle_timeout: Duration,
    /// For a connection, however busy.
    pub max_age: Duration,
    /// Idle connections for each target and thread.
    pub max_idle: usize,
    /// Which target is next.
    pub balance: Balance,
    /// How the targets are asked whether they are well.
    pub health: Option<HealthSettings>,
    /// What changes while it runs.
    pub state: Arc<State>,
    /// In milliseconds.
    pub(super) slow_start: u64,
    pub(super) sticky: Option<Sticky>,
    pub(super) passive: passive::Rule,
    pub(super) breaker: Option<breaker::Rule>,
    settings: UpstreamSettings,
}

impl UpstreamPlan {
    /// `may_be_empty`: the first target may be deployed later.
    pub(crate) fn new(
        name: &str,
        settings: &UpstreamSettings,
        may_be_empty: bool,
        problems: &mut Problems,
    ) -> Self {
        let mut wrong = |key: &str, problem: String| {
            problems.add(format_args!("upstreams.{name}.{key}"), problem);
        };
        let targets = targets(settings, may_be_empty, &mut wrong);
        let sticky = settings.sticky.as_ref().and_then(|sticky| {
            Sticky::new(sticky)
                .map_err(|problem| wrong("sticky.cookie", problem))
                .ok()
        });
        check(settings, &mut wrong);
        Self {
            name: name.to_owned(),
            protocol: settings.protocol,
            connect_timeout: settings.connect_timeout.duration(),
            response_timeout: settings.response_timeout.duration(),
            idle_timeout: settings.idle_timeout.duration(),
            max_age: settings.max_age.duration(),
            max_idle: settings.max_idle,
            balance: settings.balance,
            health: settings.health.clone(),
            state: Arc::new(State::new(&targets, bounds(settings))),
            slow_start: clock::millis(settings.slow_start.duration()),
            sticky,
            passive: (&settings.passive).into(),
            breaker: settings.breaker.as_ref().map(Into::into),
            settings: settings.clone(),
            targets,
        }
    }

    /// True if `other` was made from the same settings.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.name == other.name && self.settings == other.settings
    }

    /// It has a circuit breaker.
    #[must_use]
    pub fn has_breaker(&self) -> bool {
        self.breaker.is_some()
    }

    /// Goes on with the state of an upstream of the same name that had other settings.
    pub(crate) fn inherit(&mut self, state: &Arc<State>) {
        state.reconfigure(&self.targets, bounds(&self.settings));
        self.state = Arc::clone(state);
    }
}

fn bounds(settings: &UpstreamSettings) -> Bounds {
    Bounds {
        places: settings.max_connections,
        most_waiting: settings.max_waiting,
        patience: settings.wait_timeout.duration(),
    }
}

fn targets(
    settings: &UpstreamSettings,
    may_be_empty: bool,
    wrong: &mut impl FnMut(&str, String),
) -> Vec<Spec> {
    let mut targets: Vec<Spec> = Vec::new();
    for one in &settings.targets.0 {
        match Spec::try_from(one) {
            Ok(spec) if targets.iter().any(|other| other.target == spec.target) => {
                wrong("targets", format!("`{}` is written twice", spec.target));
            }
            Ok(spec) => targets.push(spec),
            Err(problem) => wrong("targets", problem),
        }
    }
    match settings.targets.0.len() {
        0 if !may_be_empty => wrong(
            "targets",
            "no target: write `unix:/path` or `HOST:PORT`, or set `proxy.control` and deploy one"
                .to_owned(),
        ),
        count if count > MOST_TARGETS => wrong(
            "targets",
            format!("{count} targets: at most {MOST_TARGETS}"),
        ),
        _ => {}
    }
    targets
}

fn check(settings: &UpstreamSettings, wrong: &mut impl FnMut(&str, String)) {
    if settings.idle_timeout >= settings.idle_grace {
        wrong(
            "idle_timeout",
            format!(
                "{} must be shorter than `idle_grace` ({}), the time for which the draining application keeps idle connections",
                settings.idle_timeout, settings.idle_grace
            ),
        );
    }
    if settings.max_connections == 0 {
        wrong(
            "max_connections",
            "0 would let no request through".to_owned(),
        );
    }
    let longer = "must be longer than 0";
    for (key, period) in [
        ("connect_timeout", settings.connect_timeout),
        ("response_timeout", settings.response_timeout),
        ("passive.fail_timeout", settings.passive.fail_timeout),
    ] {
        if period.duration().is_zero() {
            wrong(key, longer.to_owned());
        }
    }
    if let Some(breaker) = &settings.breaker {
        for (key, period) in [
            ("breaker.window", breaker.window),
            ("breaker.open", breaker.open),
        ] {
            if period.duration().is_zero() {
                wrong(key, longer.to_owned());
            }
        }
        if !(1..=100).contains(&breaker.errors) {
            wrong(
                "breaker.errors",
                "a share in percent: write 1 to 100".to_owned(),
            );
        }
        if breaker.trials == 0 {
            wrong(
                "breaker.trials",
                "with 0 it would never close again".to_owned(),
            );
        }
    }
    if let Some(health) = &settings.health {
        check_health(health, wrong);
    }
}

fn check_health(health: &HealthSettings, wrong: &mut impl FnMut(&str, String)) {
    if !health.path.starts_with('/') || http::Uri::try_from(&health.path).is_err() {
        wrong(
            "health.path",
            format!("`{}` is no path: write /healthz or another", health.path),
        );
    }
    if http::HeaderValue::from_str(&health.host).is_err() {
        wrong("health.host", format!("`{}` is no host", health.host));
    }
    if health.status != 0 && !(200..=599).contains(&health.status) {
        wrong(
            "health.status",
            "write 200 to 599, or 0 for any from 200 to 399".to_owned(),
        );
    }
    for (key, period) in [
        ("health.interval", health.interval),
        ("health.timeout", health.timeout),
    ] {
        if period.duration().is_zero() {
            wrong(key, "must be longer than 0".to_owned());
        }
    }
    for (key, count) in [
        ("health.passes", health.passes),
        ("health.fails", health.fails),
    ] {
        if count == 0 {
            wrong(key, "at least 1".to_owned());
        }
    }
}
