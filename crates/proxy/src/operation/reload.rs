//! New settings for a running proxy. Everything is read, checked and opened first; only then the plan is
//! swapped, as a whole. Whatever fails before leaves everything as it was.

use std::error::Error;
use std::io;

use kiuas_common::Settings;
use kiuas_common::settings::SettingsError;
use serde::{Deserialize, Serialize};

use super::Running;
use super::secrets::{Change, Secrets};
use crate::access_log::SinkError;
use crate::listeners::{self, Changes, Front, ListenersError};
use crate::plan::{Plan, PlanError};
use crate::settings::ProxySettings;
use crate::tls::TlsError;

/// Reads the settings anew.
pub type Source = Box<dyn Fn() -> Result<Written, SettingsError>>;

/// Settings as they were read.
#[derive(Debug)]
pub struct Written {
    /// Section `[proxy]`.
    pub settings: ProxySettings,
    /// All sections: where each setting is written.
    pub places: Settings,
}

impl Written {
    /// Reads section `[proxy]` of `places`.
    ///
    /// # Errors
    /// See [`Settings::section`].
    pub fn new(places: Settings) -> Result<Self, SettingsError> {
        Ok(Self {
            settings: places.section("proxy")?,
            places,
        })
    }

    /// Checks the settings and makes them into a plan.
    ///
    /// # Errors
    /// All problems, each with its place.
    pub fn plan(&self) -> Result<Plan, PlanError> {
        Plan::new(&self.settings).map_err(|error| error.written_in(&self.places))
    }
}

/// Why the old settings stay in force.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReloadError {
    /// They cannot be read.
    #[error(transparent)]
    Read(#[from] SettingsError),
    /// They make no sense.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// A new address cannot be bound, or not be handed to the threads.
    #[error(transparent)]
    Listen(#[from] ListenersError),
    /// The access log cannot be opened.
    #[error(transparent)]
    Log(#[from] SinkError),
    /// No directory for the cache.
    #[error("cannot use `proxy.cache.directory`")]
    Cache(#[source] io::Error),
    /// A certificate cannot be used.
    #[error("cannot speak HTTPS")]
    Tls(#[from] TlsError),
}

impl ReloadError {
    /// Each problem by itself, without the causes' causes.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        match self {
            Self::Plan(error) => error.problems.iter().map(ToString::to_string).collect(),
            other => vec![chain(other)],
        }
    }

    /// All of it, as `kiuas-proxy check` prints it.
    #[must_use]
    pub fn text(&self) -> String {
        chain(self)
    }
}

/// An error with its causes, in one line.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// What a reload did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reloaded {
    /// Listeners that are new.
    pub opened: Vec<String>,
    /// Listeners that are gone; their connections stay.
    pub closed: Vec<String>,
    /// Settings that differ from those in force and cannot change in a running process.
    pub later: Vec<String>,
}

impl Reloaded {
    pub(super) fn log(&self) {
        tracing::info!(
            listeners.opened = ?self.opened,
            listeners.closed = ?self.closed,
            "the settings were reloaded"
        );
        for key in &self.later {
            tracing::warn!(
                setting = key,
                "`{key}` cannot change while the proxy runs: it takes effect with the next upgrade or restart"
            );
        }
    }
}

impl Running {
    /// Reads, checks, opens, swaps.
    pub(super) async fn renew(&mut self) -> Result<Reloaded, ReloadError> {
        let written = (self.source)()?;
        let mut plan = written.plan()?;
        let mut settings = written.settings;
        let changes = listeners::change(&self.fronts, &settings)?;
        plan.open_log(
            self.shared.plans.get().log_sink.as_ref(),
            &self.shared.meter,
        )?;
        let secrets = self.new_secrets(&plan, &changes)?;
        let cache = &self.shared.cache;
        let capacity = cache.prepare(&plan.cache).map_err(ReloadError::Cache)?;
        for front in &changes.added {
            self.threads
                .open(front)
                .await
                .map_err(ListenersError::Use)?;
        }
        // Nothing can fail from here on.
        match (secrets, &self.secrets) {
            (Change::First(secrets), _) => {
                self.shared.tls.store(Some(secrets.tls()));
                self.secrets = Some(secrets);
            }
            (Change::Other(prepared), Some(secrets)) => secrets.tls().install(*prepared),
            _ => {}
        }
        let reloaded = Reloaded {
            opened: changes.added.iter().map(name).collect(),
            closed: changes
                .removed
                .iter()
                .filter_map(|index| self.fronts.get(*index).map(name))
                .collect(),
            later: later(&self.settings, &settings),
        };
        listeners::announce(&changes.added);
        listeners::apply(&mut self.fronts, changes);
        plan.https_port = listeners::https_port(&self.fronts);
        self.shared.places.resize(plan.limits.connections);
        self.shared.cache.change(capacity);
        self.shared.plans.swap(plan);
        keep(&self.settings, &mut settings);
        self.settings = settings;
        Ok(reloaded)
    }

    fn new_secrets(&self, plan: &Plan, changes: &Changes) -> Result<Change, TlsError> {
        if let Some(secrets) = &self.secrets {
            return secrets.prepare(plan);
        }
        let fronts = self.fronts.iter().chain(&changes.added);
        let secrets = Secrets::new(plan, fronts, &self.shared.meter)?;
        Ok(secrets.map_or(Change::Nothing, Change::First))
    }
}

fn name(front: &Front) -> String {
    format!("{} {}", front.name(), front.address)
}

/// What a running process cannot change.
fn later(old: &ProxySettings, new: &ProxySettings) -> Vec<String> {
    // `keep` says the same again.
    [
        ("proxy.threads", old.threads != new.threads),
        ("proxy.admin", old.admin != new.admin),
        ("proxy.control", old.control != new.control),
        ("proxy.pid_path", old.pid_path != new.pid_path),
        ("proxy.state", old.state != new.state),
    ]
    .into_iter()
    .filter(|(_, differs)| *differs)
    .map(|(key, _)| key.to_owned())
    .collect()
}

/// The settings in force keep what a running process cannot change.
fn keep(old: &ProxySettings, new: &mut ProxySettings) {
    new.threads = old.threads;
    new.admin.clone_from(&old.admin);
    new.control.clone_from(&old.control);
    new.pid_path.clone_from(&old.pid_path);
    new.state.clone_from(&old.state);
}
