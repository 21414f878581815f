//! Problems, collected so that one run of `check` shows them all.

use std::fmt;

use kiuas_common::settings::Place;
use kiuas_common::{Address, Bytes, Settings};

use crate::settings::{LimitSettings, ProxySettings};

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Dotted key, from `proxy` on.
    pub key: String,
    /// What is wrong with it and what to write instead.
    pub problem: String,
    /// Where it is written, if that is known.
    pub place: Option<Place>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.key)?;
        if let Some(place) = &self.place {
            write!(f, "{place}")?;
        }
        write!(f, ": {}", self.problem)
    }
}

/// Everything that is wrong with `[proxy]`.
#[derive(Debug, thiserror::Error)]
#[error("the settings of the proxy cannot be used:\n{}", lines(.problems))]
pub struct PlanError {
    /// At least one.
    pub problems: Vec<Problem>,
}

impl PlanError {
    /// The same, saying where the settings are written.
    #[must_use]
    pub fn written_in(mut self, settings: &Settings) -> Self {
        for problem in &mut self.problems {
            problem.place = settings.place(&problem.key);
        }
        self
    }
}

fn lines(problems: &[Problem]) -> String {
    let all: Vec<String> = problems.iter().map(|one| format!("  - {one}")).collect();
    all.join("\n")
}

/// Collects problems.
#[derive(Debug, Default)]
pub(crate) struct Problems(Vec<Problem>);

impl Problems {
    /// Notes one; `key` is relative to `proxy`.
    pub(crate) fn add(&mut self, key: impl fmt::Display, problem: impl Into<String>) {
        self.0.push(Problem {
            key: format!("proxy.{key}"),
            problem: problem.into(),
            place: None,
        });
    }

    /// `value`, if nothing is wrong.
    ///
    /// # Errors
    /// Everything that was noted.
    pub(crate) fn into_result<T>(self, value: T) -> Result<T, PlanError> {
        if self.0.is_empty() {
            Ok(value)
        } else {
            Err(PlanError { problems: self.0 })
        }
    }
}

/// `. Did you mean …?`, or nothing if no valid name is near.
pub(super) fn nearest(name: &str, valid: &[&str]) -> String {
    valid
        .iter()
        .map(|candidate| (strsim::jaro_winkler(name, candidate), candidate))
        .filter(|(similarity, _)| *similarity > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map_or_else(String::new, |(_, name)| format!(". Did you mean `{name}`?"))
}

/// What concerns no site and no upstream alone.
pub(super) fn general(settings: &ProxySettings, problems: &mut Problems) {
    if settings.http.0.is_empty() && settings.https.0.is_empty() {
        problems.add("http", "no address at all: write one in `http` or `https`");
    }
    if settings.threads > 1024 {
        problems.add("threads", "at most 1024; 0 means one a core");
    }
    if settings.limits.connections == 0 {
        problems.add("limits.connections", "0 would let nobody in");
    }
    if let Some(Address::Tcp(address)) = &settings.control {
        problems.add(
            "control",
            format!(
                "`{address}` could be reached by every user of the machine: write `unix:/path/to.sock`"
            ),
        );
    }
    heads(settings, problems);
    positive_periods(settings, problems);
}

/// The gate's own bounds cannot be raised: applications must be able to rely on them.
fn heads(settings: &ProxySettings, problems: &mut Problems) {
    let (limits, most) = (&settings.limits, LimitSettings::default());
    for (key, own, most, least) in [
        ("head", limits.head, most.head, Bytes(256)),
        ("line", limits.line, most.line, Bytes(64)),
    ] {
        if own > most || own < least {
            problems.add(
                format_args!("limits.{key}"),
                format!("{own} must be from {least} to {most}"),
            );
        }
    }
    if limits.fields > most.fields || limits.fields < 4 {
        problems.add(
            "limits.fields",
            format!("{} must be from 4 to {}", limits.fields, most.fields),
        );
    }
    if limits
        .request_timeout
        .is_some_and(|limit| limit.duration().is_zero())
    {
        problems.add(
            "limits.request_timeout",
            "must be longer than 0; leave it out for no limit",
        );
    }
}

fn positive_periods(settings: &ProxySettings, problems: &mut Problems) {
    let limits = &settings.limits;
    for (key, period) in [
        ("head_timeout", limits.head_timeout),
        ("handshake_timeout", limits.handshake_timeout),
        ("body_timeout", limits.body_timeout),
        ("write_timeout", limits.write_timeout),
        ("keep_alive", limits.keep_alive),
        ("tunnel_timeout", limits.tunnel_timeout),
    ] {
        if period.duration().is_zero() {
            problems.add(format_args!("limits.{key}"), "must be longer than 0");
        }
    }
    if limits.drain_grace > limits.drain_timeout {
        problems.add(
            "limits.drain_grace",
            "must not be longer than `proxy.limits.drain_timeout`",
        );
    }
    if limits
        .tunnel_drain
        .is_some_and(|tunnels| tunnels < limits.drain_timeout)
    {
        problems.add(
            "limits.tunnel_drain",
            "must not be shorter than `proxy.limits.drain_timeout`",
        );
    }
}
