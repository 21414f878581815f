//! `compress` of a site or a route.

use std::fmt;

use kiuas_common::Bytes;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::List;

/// `true`, `false`, or a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Compress {
    /// With the defaults, or not at all.
    Plain(bool),
    /// With these settings.
    With(CompressSettings),
}

/// How answers are compressed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CompressSettings {
    /// `br`, `zstd` and `gzip`; of those that a visitor likes the same, the first is used.
    pub encodings: List<String>,
    /// Media types, `text/html` or `text/*`. Without `text/event-stream` by name, event streams are
    /// left alone.
    pub types: List<String>,
    /// Answers that are shorter are left alone.
    pub minimum: Bytes,
    /// 1 to 9.
    pub gzip_level: u32,
    /// 0 to 9.
    pub br_level: u32,
    /// 1 to 9.
    pub zstd_level: u32,
}

impl Default for CompressSettings {
    fn default() -> Self {
        let list = |names: &[&str]| List(names.iter().map(|&name| name.to_owned()).collect());
        Self {
            encodings: list(&["br", "zstd", "gzip"]),
            types: list(&[
                "text/*",
                "application/javascript",
                "application/json",
                "application/ld+json",
                "application/manifest+json",
                "application/problem+json",
                "application/xml",
                "application/xhtml+xml",
                "application/atom+xml",
                "application/rss+xml",
                "application/wasm",
                "image/svg+xml",
            ]),
            minimum: Bytes(1024),
            gzip_level: 5,
            br_level: 4,
            zstd_level: 3,
        }
    }
}

impl<'de> Deserialize<'de> for Compress {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(CompressVisitor)
    }
}

struct CompressVisitor;

impl<'de> Visitor<'de> for CompressVisitor {
    type Value = Compress;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`true`, `false` or a table")
    }

    fn visit_bool<E: Error>(self, on: bool) -> Result<Compress, E> {
        Ok(Compress::Plain(on))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Compress, E> {
        text.parse()
            .map(Compress::Plain)
            .map_err(|_| E::custom(format!("`{text}`: write `true`, `false` or a table")))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Compress, A::Error> {
        CompressSettings::deserialize(MapAccessDeserializer::new(map)).map(Compress::With)
    }
}
