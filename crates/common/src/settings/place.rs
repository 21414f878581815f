//! Where a setting is written, and what is written there.

use std::fmt;

use config::{Map, Value, ValueKind};

use super::explain::{is_secret, redact};

/// Where a setting is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// File and line (`config/default.toml:12`), variable or flag.
    pub origin: String,
    /// What is written there; `None` for a secret, a table, a list, and if it is not written itself.
    pub value: Option<String>,
}

/// As errors have it between a key and what is wrong with it.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(value) = &self.value {
            write!(f, " = `{value}`")?;
        }
        write!(f, " in {}", self.origin)
    }
}

/// The longest part of `key` that is in `tree`.
pub(super) fn find(tree: &Map<String, Value>, key: &str) -> Option<Place> {
    let (mut value, mut rest) = in_table(tree, key)?;
    while let Some((inner, left)) = step(value, rest) {
        (value, rest) = (inner, left);
    }
    Some(Place {
        origin: origin(value),
        value: if rest.is_empty() {
            shown(key, value)
        } else {
            None
        },
    })
}

/// What the beginning of `path` names in `value`, and the rest of it.
fn step<'a, 'k>(value: &'a Value, path: &'k str) -> Option<(&'a Value, &'k str)> {
    match &value.kind {
        ValueKind::Table(table) => in_table(table, path.strip_prefix('.')?),
        ValueKind::Array(items) => {
            let (index, rest) = path.strip_prefix('[')?.split_once(']')?;
            Some((items.get(index.parse::<usize>().ok()?)?, rest))
        }
        _ => None,
    }
}

/// Names may have dots in them: the longest that fits is meant.
fn in_table<'a, 'k>(table: &'a Map<String, Value>, path: &'k str) -> Option<(&'a Value, &'k str)> {
    table
        .iter()
        .filter_map(|(name, value)| {
            let rest = path.strip_prefix(name.as_str())?;
            (rest.is_empty() || rest.starts_with(['.', '['])).then_some((value, rest))
        })
        .min_by_key(|(_, rest)| rest.len())
}

/// Where `value` comes from. A table that only variables make up has no place of its own.
pub(super) fn origin(value: &Value) -> String {
    first_origin(value).unwrap_or_else(|| "the defaults".to_owned())
}

fn first_origin(value: &Value) -> Option<String> {
    if let Some(origin) = value.origin() {
        return Some(origin.to_owned());
    }
    match &value.kind {
        ValueKind::Table(table) => table.values().filter_map(first_origin).min(),
        _ => None,
    }
}

/// What an error may show of `value`.
pub(super) fn shown(key: &str, value: &Value) -> Option<String> {
    match &value.kind {
        _ if is_secret(key) => None,
        ValueKind::Table(_) | ValueKind::Array(_) | ValueKind::Nil => None,
        _ => value.clone().into_string().ok().map(|text| redact(&text)),
    }
}
