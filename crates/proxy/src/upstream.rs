//! An application behind the proxy: what is fixed ([`UpstreamPlan`], shared by all threads) and what
//! each thread has of it ([`Upstream`]: connections kept for reuse).

mod admission;
mod connect;
mod forward;
mod headers;
mod pool;
mod relay;
mod target;

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::metrics::gauge::Gauge;

pub use admission::{Admission, Admitted};
pub use forward::{Call, forward};
pub use headers::{Told, for_upstream, is_websocket, strip_hop_by_hop};
pub use relay::Relay;
pub use target::Target;

use crate::fault::Fault;
use crate::meter::Meter;
use crate::plan::Problems;
use crate::settings::UpstreamSettings;
use pool::Pool;

/// What all threads share of an upstream.
#[derive(Debug)]
pub struct UpstreamPlan {
    /// Its name in the settings.
    pub name: String,
    /// Used in turn.
    pub targets: Vec<Target>,
    /// To connect to one target.
    pub connect_timeout: Duration,
    /// To the answer's head, and between two pieces of its body.
    pub response_timeout: Duration,
    /// For an idle connection.
    pub idle_timeout: Duration,
    /// Idle connections for each target and thread.
    pub max_idle: usize,
    /// Who may send a request now.
    pub admission: Admission,
    settings: UpstreamSettings,
}

impl UpstreamPlan {
    pub(crate) fn new(name: &str, settings: &UpstreamSettings, problems: &mut Problems) -> Self {
        let mut wrong = |key: &str, problem: String| {
            problems.add(format_args!("upstreams.{name}.{key}"), problem);
        };
        let mut targets = Vec::new();
        for text in &settings.targets.0 {
            match text.parse() {
                Ok(target) => targets.push(target),
                Err(problem) => wrong("targets", problem),
            }
        }
        if settings.targets.0.is_empty() {
            wrong(
                "targets",
                "no target: write `unix:/path` or `HOST:PORT`".to_owned(),
            );
        }
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
        for (key, period) in [
            ("connect_timeout", settings.connect_timeout),
            ("response_timeout", settings.response_timeout),
        ] {
            if period.duration().is_zero() {
                wrong(key, "must be longer than 0".to_owned());
            }
        }
        Self {
            name: name.to_owned(),
            targets,
            connect_timeout: settings.connect_timeout.duration(),
            response_timeout: settings.response_timeout.duration(),
            idle_timeout: settings.idle_timeout.duration(),
            max_idle: settings.max_idle,
            admission: Admission::new(
                settings.max_connections,
                settings.max_waiting,
                settings.wait_timeout.duration(),
            ),
            settings: settings.clone(),
        }
    }

    /// True if `other` was made from the same settings.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.name == other.name && self.settings == other.settings
    }
}

/// What one thread has of an upstream.
#[derive(Debug)]
pub struct Upstream {
    plan: Arc<UpstreamPlan>,
    pools: Vec<Rc<Pool>>,
    next: Cell<usize>,
    meter: Meter,
    connections: Gauge,
}

impl Upstream {
    /// Nothing is connected yet.
    #[must_use]
    pub fn new(plan: &Arc<UpstreamPlan>, meter: &Meter) -> Self {
        Self {
            plan: Arc::clone(plan),
            pools: plan
                .targets
                .iter()
                .map(|_| Rc::new(Pool::new(plan.idle_timeout, plan.max_idle)))
                .collect(),
            next: Cell::new(0),
            meter: meter.clone(),
            connections: meter.upstream_connections(&plan.name),
        }
    }

    /// True if this thread's part belongs to `plan`.
    #[must_use]
    pub fn is_of(&self, plan: &Arc<UpstreamPlan>) -> bool {
        Arc::ptr_eq(&self.plan, plan)
    }

    /// Its name in the settings.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.plan.name
    }

    /// Counts a request that it did not answer.
    pub fn note(&self, fault: Fault) {
        if let Some(kind) = fault.upstream_kind() {
            self.meter.failed(&self.plan.name, kind);
        }
    }

    /// Closes connections that were idle for too long.
    pub fn sweep(&self) {
        for pool in &self.pools {
            pool.sweep();
        }
    }

    /// The targets' indices, beginning with the next in turn.
    fn turn(&self) -> impl Iterator<Item = usize> + use<> {
        let count = self.plan.targets.len();
        let first = self.next.get();
        self.next.set((first + 1) % count.max(1));
        (0..count).map(move |step| (first + step) % count)
    }
}
