//! What can be wrong with settings, said so that it can be mended.

use std::io;
use std::path::PathBuf;

use config::{Value, ValueKind};

use super::SECTIONS;
use super::place::{origin, shown};

/// A settings error. Its message names the key, the value, where it came from and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// `KIUAS_ENV` names no environment.
    #[error("KIUAS_ENV is `{value}`: must be development, testing, staging or production")]
    Environment {
        /// What it is.
        value: String,
    },
    /// A file is unreadable or no TOML.
    #[error("cannot read the settings in {}", directory.display())]
    Read {
        /// Directory of the files.
        directory: PathBuf,
        /// Which file, line and column.
        #[source]
        source: Box<config::ConfigError>,
    },
    /// A key is not well formed.
    #[error("cannot set `{key}` from {origin}")]
    Key {
        /// The dotted key.
        key: String,
        /// Where it came from.
        origin: String,
        /// Why not.
        #[source]
        source: Box<config::ConfigError>,
    },
    /// A `…_FILE` variable names a file that cannot be read.
    #[error("cannot read {} (named by {variable})", path.display())]
    Secret {
        /// The variable.
        variable: String,
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A value does not fit its key, or the key does not exist.
    #[error("`{key}`{} in {origin}: {problem}{}", is(.value), nearest(.hint))]
    Invalid {
        /// The dotted key.
        key: String,
        /// Its value; `None` for a secret or a table.
        value: Option<String>,
        /// File and line, or variable.
        origin: String,
        /// What is wrong.
        problem: String,
        /// The nearest valid key.
        hint: Option<String>,
    },
}

fn is(value: &Option<String>) -> String {
    value
        .as_ref()
        .map_or_else(String::new, |value| format!(" = `{value}`"))
}

fn nearest(hint: &Option<String>) -> String {
    hint.as_ref()
        .map_or_else(String::new, |hint| format!(". Did you mean `{hint}`?"))
}

impl SettingsError {
    pub(super) fn unknown_section(name: &str, value: &Value) -> Self {
        Self::Invalid {
            key: name.to_owned(),
            value: None,
            origin: origin(value),
            problem: format!(
                "there is no such section; the sections are {}",
                SECTIONS.join(", ")
            ),
            hint: closest(name, SECTIONS.iter().copied()),
        }
    }

    pub(super) fn invalid(
        section: &str,
        value: &Value,
        error: &serde_path_to_error::Error<config::ConfigError>,
    ) -> Self {
        let problem = innermost(error.inner());
        let mut path: Vec<String> = error.path().iter().map(ToString::to_string).collect();
        let unknown = unknown_field(&problem);
        // For an unknown field the path ends at the table that holds it, or at the field itself.
        if let Some((field, _)) = &unknown
            && path.last() != Some(field)
        {
            path.push(field.clone());
        }
        let at = descend(value, &path);
        let key = std::iter::once(section.to_owned())
            .chain(path)
            .filter(|part| part != "?")
            .collect::<Vec<_>>()
            .join(".");
        let (problem, hint) = match unknown {
            Some((field, valid)) => {
                let hint = closest(&field, valid.iter().map(String::as_str));
                (
                    format!(
                        "there is no such key; the keys here are {}",
                        valid.join(", ")
                    ),
                    hint,
                )
            }
            None => (problem, None),
        };
        Self::Invalid {
            value: at.and_then(|value| shown(&key, value)),
            origin: origin(at.unwrap_or(value)),
            key,
            problem,
            hint,
        }
    }
}

fn descend<'a>(value: &'a Value, path: &[String]) -> Option<&'a Value> {
    path.iter()
        .try_fold(value, |value, part| match &value.kind {
            ValueKind::Table(table) => table.get(part),
            ValueKind::Array(items) => {
                items.get(part.trim_matches(['[', ']']).parse::<usize>().ok()?)
            }
            _ => None,
        })
}

fn innermost(error: &config::ConfigError) -> String {
    match error {
        config::ConfigError::At { error, .. } => innermost(error),
        config::ConfigError::Message(message) => message.clone(),
        config::ConfigError::Type {
            unexpected,
            expected,
            ..
        } => format!("expected {expected}, found {unexpected}"),
        other => other.to_string(),
    }
}

/// The name and the valid names in serde's message for `deny_unknown_fields`.
fn unknown_field(message: &str) -> Option<(String, Vec<String>)> {
    let rest = message.strip_prefix("unknown field `")?;
    let (field, rest) = rest.split_once('`')?;
    let valid = rest
        .split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect();
    Some((field.to_owned(), valid))
}

fn closest<'a>(name: &str, valid: impl Iterator<Item = &'a str>) -> Option<String> {
    valid
        .map(|candidate| (strsim::jaro_winkler(name, candidate), candidate))
        .filter(|(similarity, _)| *similarity > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate.to_owned())
}
