//! The settings in force: what files and variables set, and the defaults of everything else.

use kiuas_common::settings::Effective;
use serde_json::Value;

use super::ProxySettings;

const DEFAULTS: &str = "the defaults";

/// `explained`, completed by the defaults of `[proxy]`.
#[must_use]
pub fn effective(proxy: &ProxySettings, explained: Vec<Effective>) -> Vec<Effective> {
    let mut all = explained;
    let mut leaves = Vec::new();
    // A settings struct always has a JSON form.
    let tree = serde_json::to_value(proxy).unwrap_or_default();
    walk("proxy".to_owned(), &tree, &mut leaves);
    for (key, value) in leaves {
        let set = |one: &Effective| {
            key.strip_prefix(&one.key)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['[', '.']))
        };
        if !all.iter().any(set) {
            all.push(Effective {
                key,
                value,
                source: DEFAULTS.to_owned(),
            });
        }
    }
    all.sort_by(|a, b| a.key.cmp(&b.key));
    all
}

fn walk(key: String, value: &Value, leaves: &mut Vec<(String, String)>) {
    match value {
        Value::Object(table) => {
            for (name, value) in table {
                walk(format!("{key}.{name}"), value, leaves);
            }
        }
        Value::Array(items) => {
            for (index, value) in items.iter().enumerate() {
                walk(format!("{key}[{index}]"), value, leaves);
            }
        }
        Value::Null => {}
        Value::String(text) => leaves.push((key, text.clone())),
        other => leaves.push((key, other.to_string())),
    }
}
