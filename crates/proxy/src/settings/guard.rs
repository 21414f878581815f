//! Who may ask, and how often: `access`, `password`, `forward_auth`, `satisfy` and `rate` of a site or a
//! route. A route's own value replaces its site's; `false` switches the site's off.

use std::fmt;
use std::marker::PhantomData;
use std::path::PathBuf;

use kiuas_common::Period;
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::List;

/// A table, or `false`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Switch<T> {
    /// `false`.
    Off(bool),
    /// The table.
    On(T),
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Switch<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SwitchVisitor(PhantomData))
    }
}

struct SwitchVisitor<T>(PhantomData<T>);

impl<'de, T: DeserializeOwned> Visitor<'de> for SwitchVisitor<T> {
    type Value = Switch<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a table, or `false`")
    }

    fn visit_bool<E: Error>(self, on: bool) -> Result<Self::Value, E> {
        if on {
            return Err(E::custom("`true` says nothing: write a table, or `false`"));
        }
        Ok(Switch::Off(false))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(Switch::On)
    }
}

/// Addresses that may ask.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AccessSettings {
    /// `allow NETWORK` and `deny NETWORK`, the first that fits counts. Instead of the two lists.
    pub rules: Vec<String>,
    /// With this list, nobody else may ask.
    pub allow: Option<List<String>>,
    /// These may not ask; looked at before `allow`.
    pub deny: Option<List<String>>,
}

/// A password file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PasswordSettings {
    /// As `htpasswd` writes it.
    pub file: PathBuf,
    /// What browsers show.
    #[serde(default = "PasswordSettings::realm")]
    pub realm: String,
    /// Paths without a password: exact, or everything below if they end in `/`.
    #[serde(default)]
    pub except: Vec<String>,
    /// The application gets `Authorization`.
    #[serde(default)]
    pub pass: bool,
}

impl PasswordSettings {
    fn realm() -> String {
        "Restricted".to_owned()
    }
}

/// Whether all of `access`, `password` and `forward_auth` must agree, or one is enough.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Satisfy {
    /// All of them.
    #[default]
    All,
    /// One is enough.
    Any,
}

/// How often a key may ask.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateSettings {
    /// `address`, `header:NAME`, `cookie:NAME`, `host`, `path` or `all`.
    #[serde(default = "RateSettings::address")]
    pub key: String,
    /// `10/s`, `600/m`, `1000/h`.
    pub rate: String,
    /// So many more may come at once; the number in `rate` if nothing is written.
    #[serde(default)]
    pub burst: Option<u32>,
    /// Spreads a burst out instead of letting it through at once.
    #[serde(default)]
    pub delay: bool,
    /// What is answered above the limit.
    #[serde(default = "RateSettings::too_many")]
    pub status: u16,
    /// Only says in the log and the metrics what it would refuse.
    #[serde(default)]
    pub dry_run: bool,
    /// Every answer has `RateLimit` and `RateLimit-Policy`; without, refusals alone.
    #[serde(default)]
    pub announce: bool,
    /// Networks without limit.
    #[serde(default)]
    pub except: Vec<String>,
}

impl RateSettings {
    fn address() -> String {
        "address".to_owned()
    }

    fn too_many() -> u16 {
        429
    }
}

/// Another application that says who may ask.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForwardAuthSettings {
    /// The upstream that is asked.
    pub upstream: String,
    /// The path that is asked for, with GET.
    pub path: String,
    /// Fields of the request that it sees; all if nothing is written.
    #[serde(default)]
    pub copy_request: Option<Vec<String>>,
    /// Fields of its answer that the application sees; a visitor's own of these names are dropped.
    #[serde(default)]
    pub copy_answer: Vec<String>,
    /// How long it may take; 504 after.
    #[serde(default = "ForwardAuthSettings::patience")]
    pub timeout: Period,
    /// Paths for which it is not asked: exact, or everything below if they end in `/`.
    #[serde(default)]
    pub except: Vec<String>,
}

impl ForwardAuthSettings {
    fn patience() -> Period {
        Period::seconds(5)
    }
}
