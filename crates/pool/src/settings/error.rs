//! What can be wrong with a pool's settings.

use kiuas_common::Settings;
use kiuas_common::settings::Place;

/// What can be wrong with a pool's settings.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PoolSettingsError {
    /// The section does not fit.
    #[error("cannot use the settings of the pools")]
    Section {
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
    #[error("`pool.{name}.{key}`{}: {problem}", place.as_ref().map(ToString::to_string).unwrap_or_default())]
    Value {
        /// The pool.
        name: String,
        /// The key.
        key: &'static str,
        /// What is wrong with it.
        problem: String,
        /// Where it is written, if that is known.
        place: Option<Place>,
    },
}

impl PoolSettingsError {
    /// The same, saying where the setting is written.
    #[must_use]
    pub fn written_in(mut self, settings: &Settings) -> Self {
        if let Self::Value {
            name, key, place, ..
        } = &mut self
        {
            *place = settings.place(&format!("pool.{name}.{key}"));
        }
        self
    }
}
