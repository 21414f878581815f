//! The runner as small as it can be: applies the files of a directory, settings from the environment.
//!
//! ```text
//! KIUAS__POSTGRES__URL=postgres:///site?host=/run/postgresql \
//!     cargo run --package kiuas-migrate --example migrate migrations
//! ```

use std::io::Write;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::Context;
use kiuas_common::telemetry::{self, TelemetrySettings};
use kiuas_common::{Settings, tls};
use kiuas_migrate::MigrationSet;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    tls::install_provider();
    let directory: PathBuf = std::env::args_os()
        .nth(1)
        .context("name a directory of SQL files")?
        .into();
    let settings = Settings::from_process()?;
    let telemetry: TelemetrySettings = settings.section("telemetry")?;
    let _telemetry = telemetry::start(&telemetry, "example-migrate")?;
    let set = MigrationSet::from_directory("example", &directory)?;
    let begin = Instant::now();
    let report = kiuas_migrate::up(
        &settings.section("postgres")?,
        &settings.section("migrate")?,
        &[set],
    )
    .await?;
    let mut output = std::io::stdout().lock();
    writeln!(output, "{report}took {} ms", begin.elapsed().as_millis())?;
    Ok(())
}
