//! One target of an upstream, and what keeps visitors with it.

use std::fmt;

use kiuas_common::Period;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// A target: a text, or a table `{ target = "…", weight = 2, backup = false, max_connections = 100 }`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TargetSettings {
    /// `unix:/path` or `HOST:PORT`.
    pub target: String,
    /// Its share of the requests, 1 to 1000.
    pub weight: u32,
    /// Gets requests only while no other target is up.
    pub backup: bool,
    /// Requests at a time, all threads together; 0 is no limit of its own.
    pub max_connections: usize,
}

impl From<String> for TargetSettings {
    fn from(target: String) -> Self {
        Self {
            target,
            weight: 1,
            backup: false,
            max_connections: 0,
        }
    }
}

/// The table; the text is [`TargetSettings::from`].
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    target: String,
    #[serde(default = "one")]
    weight: u32,
    #[serde(default)]
    backup: bool,
    #[serde(default)]
    max_connections: usize,
}

fn one() -> u32 {
    1
}

impl<'de> Deserialize<'de> for TargetSettings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TargetVisitor)
    }
}

struct TargetVisitor;

impl<'de> Visitor<'de> for TargetVisitor {
    type Value = TargetSettings;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`unix:/path`, `HOST:PORT`, or a table with `target`")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<TargetSettings, E> {
        Ok(text.to_owned().into())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<TargetSettings, A::Error> {
        let table = Table::deserialize(MapAccessDeserializer::new(map))?;
        Ok(TargetSettings {
            target: table.target,
            weight: table.weight,
            backup: table.backup,
            max_connections: table.max_connections,
        })
    }
}

/// `sticky`: a visitor comes back to the target that answered first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StickySettings {
    /// Name of the cookie. Its value is a keyed hash of the target, not its address.
    pub cookie: String,
    /// How long the browser keeps it; 0 is until it is closed.
    pub max_age: Period,
}

impl Default for StickySettings {
    fn default() -> Self {
        Self {
            cookie: "kiuas_target".to_owned(),
            max_age: Period::seconds(0),
        }
    }
}
