//! `migrate`: changes the database's schema.

use kiuas_common::Settings;
use kiuas_migrate::MigrateSettings;

use super::print;
use crate::Application;
use crate::arguments::Migrate;
use crate::process::small_runtime;

pub(super) fn run<A: Application>(settings: &Settings, action: &Migrate) -> anyhow::Result<()> {
    let postgres = settings.section("postgres")?;
    let migrate: MigrateSettings = settings.section("migrate")?;
    let sets = [A::migrations()];
    small_runtime()?.block_on(async {
        match action {
            Migrate::Up => {
                let report = kiuas_migrate::up(&postgres, &migrate, &sets).await?;
                print(&report.to_string())
            }
            Migrate::Status { json } => {
                let status = kiuas_migrate::status(&postgres, &migrate, &sets).await?;
                if *json {
                    print(&format!("{}\n", status.to_json()?))
                } else {
                    print(&status.to_string())
                }
            }
        }
    })
}
