//! `config`: the settings in force, with the source of each, secrets redacted.

use std::collections::BTreeMap;

use kiuas_common::Settings;
use kiuas_common::settings::Effective;
use serde_json::Value;

use super::print;
use crate::sections;

const DEFAULTS: &str = "the defaults";

pub(super) fn run(settings: &Settings, json: bool) -> anyhow::Result<()> {
    let effective = effective(settings)?;
    if json {
        return print(&format!("{}\n", serde_json::to_string_pretty(&effective)?));
    }
    let lines: String = effective
        .iter()
        .map(|one| format!("{} = {}  # {}\n", one.key, one.value, one.source))
        .collect();
    print(&lines)
}

/// What files, variables and flags say, and the defaults of everything that they do not mention.
fn effective(settings: &Settings) -> anyhow::Result<Vec<Effective>> {
    let mut all: BTreeMap<String, Effective> = BTreeMap::new();
    for (name, section) in sections::all(settings)? {
        defaults(name.to_owned(), &section, &mut all);
    }
    for said in settings.explain() {
        // A list in a file replaces the default one as a whole.
        if let Some((list, _)) = said.key.split_once('[') {
            all.remove(list);
        }
        all.insert(said.key.clone(), said);
    }
    Ok(all.into_values().collect())
}

fn defaults(key: String, value: &Value, all: &mut BTreeMap<String, Effective>) {
    let text = match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                defaults(format!("{key}.{name}"), value, all);
            }
            return;
        }
        Value::Null => return,
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let one = Effective {
        key: key.clone(),
        value: text,
        source: DEFAULTS.to_owned(),
    };
    all.insert(key, one);
}

#[cfg(test)]
mod tests;
