//! Section `[pool.NAME]`: one pool.

use std::collections::BTreeMap;
use std::time::Duration;

use kiuas_common::{Address, Period, Settings};
use serde::{Deserialize, Serialize};

use crate::roster::{BackoffPolicy, Policy};

/// More children than this are a typing mistake.
const MOST_PROCESSES: usize = 1024;

/// One pool.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PoolSettings {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// How many children to keep ready.
    pub processes: usize,
    /// Addresses to listen on for the children; ignored when sockets are inherited.
    pub listen: Vec<Address>,
    /// How long a child may take to become ready.
    pub start_timeout: Period,
    /// How long a child may take to finish what it has begun after SIGTERM. Longer than its own limit.
    pub drain_timeout: Period,
    /// For programs that do not speak `sd_notify`: a child that has lived so long counts as ready.
    pub ready_after: Option<Period>,
    /// First pause before a child that died young is started again; it doubles each time.
    pub backoff_min: Period,
    /// Longest such pause.
    pub backoff_max: Period,
    /// Where to answer `/healthz`, `/readyz` and `/metrics`.
    pub admin: Option<Address>,
}

impl Default for PoolSettings {
    fn default() -> Self {
        Self {
            command: Vec::new(),
            processes: 2,
            listen: Vec::new(),
            start_timeout: Period::seconds(60),
            drain_timeout: Period::seconds(35),
            ready_after: None,
            backoff_min: Period::milliseconds(200),
            backoff_max: Period::seconds(30),
            admin: None,
        }
    }
}

/// What can be wrong with a pool's settings.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PoolSettingsError {
    /// The section does not fit.
    #[error("cannot use the settings of pool `{name}`")]
    Section {
        /// The pool.
        name: String,
        /// Which key, and why.
        #[source]
        source: Box<kiuas_common::settings::SettingsError>,
    },
    /// The name cannot be told from its neighbours in `LISTEN_FDNAMES`.
    #[error("`{name}` is no name for a pool: use 1 to 64 letters, digits, `-` and `_`")]
    Name {
        /// What was given.
        name: String,
    },
    /// Nothing to run.
    #[error("pool `{name}` has no command: write it after `--`, or set `pool.{name}.command`")]
    NoCommand {
        /// The pool.
        name: String,
    },
    /// A value makes no sense.
    #[error("`pool.{name}.{key}`: {problem}")]
    Value {
        /// The pool.
        name: String,
        /// The key.
        key: &'static str,
        /// What is wrong with it.
        problem: String,
    },
}

impl PoolSettings {
    /// The settings of pool `name`; all defaults if there is no section for it.
    ///
    /// # Errors
    /// A value does not fit its key, or a key does not exist.
    pub fn load(settings: &Settings, name: &str) -> Result<Self, PoolSettingsError> {
        let mut pools: BTreeMap<String, Self> =
            settings
                .section("pool")
                .map_err(|source| PoolSettingsError::Section {
                    name: name.to_owned(),
                    source: Box::new(source),
                })?;
        Ok(pools.remove(name).unwrap_or_default())
    }

    /// Checks what types cannot say.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn validate(&self, name: &str) -> Result<(), PoolSettingsError> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if name.is_empty() || name.len() > 64 || !name.chars().all(allowed) {
            return Err(PoolSettingsError::Name {
                name: name.to_owned(),
            });
        }
        let program = self.command.first();
        if program.is_none_or(String::is_empty) {
            return Err(PoolSettingsError::NoCommand {
                name: name.to_owned(),
            });
        }
        self.problem().map_or(Ok(()), |(key, problem)| {
            Err(PoolSettingsError::Value {
                name: name.to_owned(),
                key,
                problem,
            })
        })
    }

    fn problem(&self) -> Option<(&'static str, String)> {
        if !(1..=MOST_PROCESSES).contains(&self.processes) {
            return Some(("processes", format!("must be 1 to {MOST_PROCESSES}")));
        }
        let spans = [
            ("start_timeout", Some(self.start_timeout)),
            ("drain_timeout", Some(self.drain_timeout)),
            ("backoff_min", Some(self.backoff_min)),
            ("ready_after", self.ready_after),
        ];
        let zero = |span: &Period| span.duration() == Duration::ZERO;
        if let Some((key, _)) = spans
            .iter()
            .find(|(_, span)| span.as_ref().is_some_and(zero))
        {
            return Some((key, "must not be zero".to_owned()));
        }
        if self.backoff_max < self.backoff_min {
            return Some((
                "backoff_max",
                format!("must not be shorter than backoff_min, {}", self.backoff_min),
            ));
        }
        let late = |after: &Period| *after >= self.start_timeout;
        self.ready_after.filter(late).map(|_| {
            let problem = format!("must be shorter than start_timeout, {}", self.start_timeout);
            ("ready_after", problem)
        })
    }

    pub(crate) fn policy(&self) -> Policy {
        Policy {
            processes: self.processes,
            start_timeout: self.start_timeout.duration(),
            drain_timeout: self.drain_timeout.duration(),
            ready_after: self.ready_after.map(Period::duration),
            backoff: BackoffPolicy {
                shortest: self.backoff_min.duration(),
                longest: self.backoff_max.duration(),
            },
        }
    }
}

#[cfg(test)]
mod tests;
