//! The sections of the stack, typed: what `check` validates and `config` shows the defaults of.

use kiuas_beat::BeatSettings;
use kiuas_common::Settings;
use kiuas_common::postgres::PostgresSettings;
use kiuas_common::redis::RedisSettings;
use kiuas_common::settings::SettingsError;
use kiuas_common::telemetry::TelemetrySettings;
use kiuas_migrate::MigrateSettings;
use kiuas_queue::QueueSettings;
use kiuas_web::WebSettings;
use kiuas_worker::WorkerSettings;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

type Read = fn(&Settings, &str) -> Result<Value, SettingsError>;

/// Name and type of every section that an application's processes read.
const SECTIONS: &[(&str, Read)] = &[
    ("beat", read::<BeatSettings>),
    ("migrate", read::<MigrateSettings>),
    ("postgres", read::<PostgresSettings>),
    ("queue", read::<QueueSettings>),
    ("redis", read::<RedisSettings>),
    ("telemetry", read::<TelemetrySettings>),
    ("web", read::<WebSettings>),
    ("worker", read::<WorkerSettings>),
];

fn read<T: DeserializeOwned + Serialize>(
    settings: &Settings,
    name: &str,
) -> Result<Value, SettingsError> {
    let section: T = settings.section(name)?;
    // A section is a struct of plain values: it always has a JSON form.
    Ok(serde_json::to_value(section).unwrap_or_default())
}

/// Every section with its defaults filled in.
pub(crate) fn all(settings: &Settings) -> Result<Vec<(&'static str, Value)>, SettingsError> {
    SECTIONS
        .iter()
        .map(|(name, read)| Ok((*name, read(settings, name)?)))
        .collect()
}
