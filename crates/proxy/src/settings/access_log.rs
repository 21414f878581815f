//! `[proxy.access_log]`: one line a request.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use kiuas_common::Bytes;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::List;

/// How a line looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// An event of the process's own log (target `access`).
    #[default]
    Event,
    /// nginx's and Apache's combined format.
    Combined,
    /// The same, followed by what it leaves out: host, request id, times, upstream, cache, TLS.
    CombinedPlus,
    /// A JSON object.
    Json,
    /// None at all.
    Off,
}

impl FromStr for LogFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "event" | "true" => Ok(Self::Event),
            "combined" => Ok(Self::Combined),
            "combined-plus" => Ok(Self::CombinedPlus),
            "json" => Ok(Self::Json),
            "off" | "false" => Ok(Self::Off),
            other => Err(format!(
                "`{other}` is no format: write event, combined, combined-plus, json or off"
            )),
        }
    }
}

/// Section `[proxy.access_log]`; `true`, `false` or a format's name stand for the whole section.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AccessLogSettings {
    /// `event`, `combined`, `combined-plus`, `json` or `off`.
    pub format: LogFormat,
    /// `stdout`, `stderr` or a file (all formats but `event`).
    pub path: PathBuf,
    /// Part of the requests that are logged, 0 to 1.
    pub sample: f64,
    /// Requests that failed (5xx, answers that broke off) are logged whatever `sample` says.
    pub errors: bool,
    /// Paths that are not logged; a `*` at the end covers everything that begins so.
    pub exclude: List<String>,
    /// Names of query parameters whose values are hidden, beside those that look like secrets.
    pub redact: List<String>,
    /// Request header fields to log besides (format `json`).
    pub headers: List<String>,
    /// Lines of one thread that are written together.
    pub buffer: Bytes,
}

impl Default for AccessLogSettings {
    fn default() -> Self {
        Section::default().into()
    }
}

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Section {
    format: LogFormat,
    path: PathBuf,
    sample: f64,
    errors: bool,
    exclude: List<String>,
    redact: List<String>,
    headers: List<String>,
    buffer: Bytes,
}

impl Default for Section {
    fn default() -> Self {
        Self {
            format: LogFormat::default(),
            path: PathBuf::from("stdout"),
            sample: 1.0,
            errors: true,
            exclude: List(Vec::new()),
            redact: List(Vec::new()),
            headers: List(Vec::new()),
            buffer: Bytes(64 << 10),
        }
    }
}

impl From<Section> for AccessLogSettings {
    fn from(section: Section) -> Self {
        let Section {
            format,
            path,
            sample,
            errors,
            exclude,
            redact,
            headers,
            buffer,
        } = section;
        Self {
            format,
            path,
            sample,
            errors,
            exclude,
            redact,
            headers,
            buffer,
        }
    }
}

impl From<LogFormat> for AccessLogSettings {
    fn from(format: LogFormat) -> Self {
        Self {
            format,
            ..Self::default()
        }
    }
}

impl<'de> Deserialize<'de> for AccessLogSettings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SectionVisitor)
    }
}

struct SectionVisitor;

impl<'de> Visitor<'de> for SectionVisitor {
    type Value = AccessLogSettings;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("true, false, a format's name, or a table")
    }

    fn visit_bool<E: Error>(self, on: bool) -> Result<Self::Value, E> {
        let format = if on { LogFormat::Event } else { LogFormat::Off };
        Ok(format.into())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        text.parse::<LogFormat>().map(Into::into).map_err(E::custom)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        Section::deserialize(MapAccessDeserializer::new(map)).map(Into::into)
    }
}
