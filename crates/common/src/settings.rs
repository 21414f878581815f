//! Settings: typed, layered, and strict about what they do not know.
//!
//! Order, later wins: defaults in code < `config/default.toml` < `config/<environment>.toml` <
//! `config/local.toml` < `KIUAS__SECTION__KEY` (or `KIUAS__SECTION__KEY_FILE`, which names a file that
//! holds the value) < overrides from flags. `KIUAS_ENV` names the environment, `KIUAS_CONFIG` the
//! directory (default `config`).
//!
//! A section is a struct in the crate that uses it, with `#[serde(default, deny_unknown_fields)]` and
//! its defaults in `impl Default`. No key may end with `_file`: its variable would read as the name of
//! a file that holds the value. A key that names a file ends with `_path`.

mod error;
mod explain;
mod file;
mod place;
mod source;
mod types;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use config::{Config, Value, ValueKind};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use error::SettingsError;
pub use explain::Effective;
use file::Layer;
pub use place::Place;
pub use types::{Bytes, Period};

/// Every section that some Kiuas process reads. A section outside this list is an error: a typing
/// mistake in a section's name would otherwise silently leave its defaults in force. The application's
/// own settings are `[app]`.
pub const SECTIONS: &[&str] = &[
    "app",
    "beat",
    "mail",
    "migrate",
    "pool",
    "postgres",
    "proxy",
    "queue",
    "redis",
    "telemetry",
    "web",
    "worker",
];

/// Where this process runs, from `KIUAS_ENV`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Environment {
    /// A programmer's machine; the default.
    #[default]
    Development,
    /// Automated tests.
    Testing,
    /// What production will be, behind a password.
    Staging,
    /// Real visitors.
    Production,
}

impl Environment {
    /// True on servers: development secrets, debug pages and mail catchers are refused there.
    #[must_use]
    pub fn is_server(self) -> bool {
        matches!(self, Self::Staging | Self::Production)
    }
}

impl fmt::Display for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Development => "development",
            Self::Testing => "testing",
            Self::Staging => "staging",
            Self::Production => "production",
        })
    }
}

impl FromStr for Environment {
    type Err = SettingsError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "development" => Ok(Self::Development),
            "testing" => Ok(Self::Testing),
            "staging" => Ok(Self::Staging),
            "production" => Ok(Self::Production),
            other => Err(SettingsError::Environment {
                value: other.to_owned(),
            }),
        }
    }
}

/// What to read settings from.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// Directory of the TOML files.
    pub directory: PathBuf,
    /// The environment to load.
    pub environment: Environment,
    /// Variables; only those that begin with `KIUAS__` count.
    pub variables: BTreeMap<String, String>,
    /// Overrides from flags: dotted key and value.
    pub overrides: Vec<(String, String)>,
}

impl Sources {
    /// The process's own: `KIUAS_ENV`, `KIUAS_CONFIG` and `KIUAS__…`.
    ///
    /// # Errors
    /// `KIUAS_ENV` names no environment.
    pub fn from_process() -> Result<Self, SettingsError> {
        let environment = match std::env::var("KIUAS_ENV") {
            Ok(name) => name.parse()?,
            Err(_) => Environment::default(),
        };
        Ok(Self {
            directory: std::env::var_os("KIUAS_CONFIG")
                .map_or_else(|| PathBuf::from("config"), PathBuf::from),
            environment,
            variables: std::env::vars_os()
                .filter_map(|(name, value)| {
                    Some((name.into_string().ok()?, value.into_string().ok()?))
                })
                .collect(),
            overrides: Vec::new(),
        })
    }

    /// Adds an override that wins over everything, as a flag does.
    #[must_use]
    pub fn with(mut self, key: &str, value: &str) -> Self {
        self.overrides.push((key.to_owned(), value.to_owned()));
        self
    }
}

/// All sections, merged but not yet typed.
#[derive(Debug, Clone)]
pub struct Settings {
    environment: Environment,
    tree: config::Map<String, Value>,
}

impl Settings {
    /// Reads what the process's environment says. The same as [`Settings::load`] with
    /// [`Sources::from_process`].
    ///
    /// # Errors
    /// See [`Settings::load`].
    pub fn from_process() -> Result<Self, SettingsError> {
        Self::load(&Sources::from_process()?)
    }

    /// Reads and merges all layers.
    ///
    /// # Errors
    /// A file is not valid TOML, a secret file cannot be read, or a section is unknown.
    pub fn load(sources: &Sources) -> Result<Self, SettingsError> {
        let mut builder = Config::builder();
        let environment = sources.environment.to_string();
        let unread = |source| SettingsError::Read {
            directory: sources.directory.clone(),
            source: Box::new(source),
        };
        let mut layers = Vec::new();
        for name in ["default", environment.as_str(), "local"] {
            let path = sources.directory.join(format!("{name}.toml"));
            let layer = Layer::read(&path).map_err(unread)?;
            builder = builder.add_source(layer.clone());
            layers.push(layer);
        }
        for (key, value, origin) in source::variables(&sources.variables)? {
            builder = set(builder, &key, value, &origin)?;
        }
        for (key, value) in &sources.overrides {
            builder = set(builder, key, value.clone(), "a flag")?;
        }
        let mut tree = builder
            .build()
            .and_then(|config| config::Source::collect(&config))
            .map_err(unread)?;
        // The place in the newest file wins, as its values do.
        for layer in layers.iter().rev() {
            layer.place_tables(&mut tree);
        }
        let settings = Self {
            environment: sources.environment,
            tree,
        };
        settings.check_sections()?;
        Ok(settings)
    }

    /// The environment these settings were loaded for.
    #[must_use]
    pub fn environment(&self) -> Environment {
        self.environment
    }

    /// The section `name`, typed. A section that is in no file and no variable is all defaults.
    ///
    /// # Errors
    /// [`SettingsError::Invalid`] names the key, the value, its source and the nearest valid key.
    pub fn section<T: DeserializeOwned>(&self, name: &str) -> Result<T, SettingsError> {
        let empty = || Value::new(None, ValueKind::Table(config::Map::new()));
        let value = self.tree.get(name).cloned().unwrap_or_else(empty);
        serde_path_to_error::deserialize(value.clone())
            .map_err(|error| SettingsError::invalid(name, &value, &error))
    }

    /// Where the setting `key` (dotted, `proxy.sites[0].hosts`) is written: for an error that is found after
    /// the section was typed. What is not written itself is looked for in the table that it would be in;
    /// `None` if nothing of that is written either.
    #[must_use]
    pub fn place(&self, key: &str) -> Option<Place> {
        place::find(&self.tree, key)
    }

    /// Every value that a file or a variable sets, with its source and secrets redacted.
    #[must_use]
    pub fn explain(&self) -> Vec<Effective> {
        explain::flatten(&self.tree)
    }

    fn check_sections(&self) -> Result<(), SettingsError> {
        for (name, value) in &self.tree {
            if !SECTIONS.contains(&name.as_str()) {
                return Err(SettingsError::unknown_section(name, value));
            }
        }
        Ok(())
    }
}

type Builder = config::ConfigBuilder<config::builder::DefaultState>;

fn set(builder: Builder, key: &str, value: String, origin: &str) -> Result<Builder, SettingsError> {
    let value = Value::new(Some(&origin.to_owned()), ValueKind::String(value));
    builder
        .set_override(key, value)
        .map_err(|source| SettingsError::Key {
            key: key.to_owned(),
            origin: origin.to_owned(),
            source: Box::new(source),
        })
}

#[cfg(test)]
mod tests;
