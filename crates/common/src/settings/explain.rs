//! The effective settings, for `… config`: every key with its value and source, secrets redacted.

use config::{Map, Value, ValueKind};
use serde::Serialize;

/// One setting as it is in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Effective {
    /// Dotted key.
    pub key: String,
    /// Its value; `[redacted]` for a secret.
    pub value: String,
    /// File or variable it came from.
    pub source: String,
}

const REDACTED: &str = "[redacted]";

pub(super) fn flatten(tree: &Map<String, Value>) -> Vec<Effective> {
    let mut all = Vec::new();
    for (name, value) in tree {
        walk(name.clone(), value, &mut all);
    }
    all.sort_by(|a, b| a.key.cmp(&b.key));
    all
}

fn walk(key: String, value: &Value, all: &mut Vec<Effective>) {
    match &value.kind {
        ValueKind::Table(table) => {
            for (name, value) in table {
                walk(format!("{key}.{name}"), value, all);
            }
        }
        ValueKind::Array(items) => {
            for (index, value) in items.iter().enumerate() {
                walk(format!("{key}[{index}]"), value, all);
            }
        }
        _ => all.push(Effective {
            value: if is_secret(&key) {
                REDACTED.to_owned()
            } else {
                redact(&value.to_string())
            },
            source: value.origin().unwrap_or("the defaults").to_owned(),
            key,
        }),
    }
}

/// True for keys whose value must never be shown.
pub(super) fn is_secret(key: &str) -> bool {
    let last = key.rsplit('.').next().unwrap_or(key);
    ["password", "secret", "token", "private_key"]
        .iter()
        .any(|word| last.contains(word))
}

/// Hides the password inside a URL.
pub(super) fn redact(value: &str) -> String {
    let Some((scheme, rest)) = value.split_once("://") else {
        return value.to_owned();
    };
    match rest.rsplit_once('@') {
        Some((user, host)) => match user.split_once(':') {
            Some((name, _)) => format!("{scheme}://{name}:{REDACTED}@{host}"),
            None => value.to_owned(),
        },
        None => value.to_owned(),
    }
}
