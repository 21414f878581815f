//! `migrate`: changes the database's schema.

use std::fmt::Display;

use kiuas_common::Settings;
use kiuas_common::postgres::PostgresSettings;
use kiuas_common::telemetry::{self, TelemetrySettings};
use kiuas_migrate::{
    MigrateError, MigrateSettings, MigrationSet, Phase, Plan, Repairs, UpOptions, VerifyOptions,
    Want,
};

use super::print;
use crate::Application;
use crate::arguments::migrate::{Action, Migrate, PhaseName};
use crate::failure::Differs;
use crate::process::small_runtime;

/// What every action works with.
struct Migrator {
    postgres: PostgresSettings,
    settings: MigrateSettings,
    sets: Vec<MigrationSet>,
    json: bool,
}

pub(super) fn run<A: Application>(settings: &Settings, command: Migrate) -> anyhow::Result<()> {
    let telemetry: TelemetrySettings = settings.section("telemetry")?;
    let name: &'static str = String::leak(format!("{}-migrate", A::NAME));
    let _telemetry = telemetry::start(&telemetry, name)?;
    let migrator = Migrator {
        postgres: settings.section("postgres")?,
        settings: settings.section("migrate")?,
        sets: A::migrations(),
        json: command.json,
    };
    small_runtime()?.block_on(migrator.run(command.action))
}

impl Migrator {
    async fn run(&self, action: Action) -> anyhow::Result<()> {
        match action {
            Action::Up { phase, dump } => {
                self.up(UpOptions {
                    want: phase.into(),
                    dump,
                })
                .await
            }
            Action::Status => self.status().await,
            Action::Plan {
                directory: Some(directory),
                ..
            } => {
                let name = self.sets.first().map_or("files", MigrationSet::name);
                self.planned(&kiuas_migrate::plan_all(&[MigrationSet::from_directory(
                    name, &directory,
                )?])?)
            }
            Action::Plan { all: true, .. } => self.planned(&kiuas_migrate::plan_all(&self.sets)?),
            Action::Plan { phase, .. } => {
                let plan =
                    kiuas_migrate::plan(&self.postgres, &self.settings, &self.sets, phase.into())
                        .await?;
                self.planned(&plan)
            }
            Action::Verify { quick, shadow_url } => {
                self.verify(VerifyOptions { quick, shadow_url }).await
            }
            Action::New {
                name,
                contract,
                no_transaction,
                directory,
            } => {
                let phase = if contract {
                    Phase::Contract
                } else {
                    Phase::Expand
                };
                let path = kiuas_migrate::new_file(&directory, &name, phase, no_transaction)?;
                self.show(&format!("{}\n", path.display()), || {
                    Ok(format!("{:?}", path.display().to_string()))
                })
            }
            Action::Baseline { to, set } => {
                let set = set.as_deref();
                let baseline =
                    kiuas_migrate::baseline(&self.postgres, &self.settings, &self.sets, set, to)
                        .await?;
                self.show(&baseline, || baseline.to_json())
            }
            Action::Repair {
                accept,
                forget,
                mark_applied,
                restart,
                drop_invalid_indexes,
            } => {
                let repairs = Repairs {
                    accept,
                    forget,
                    mark_applied,
                    restart,
                    drop_invalid_indexes,
                };
                self.repair(&repairs).await
            }
        }
    }

    async fn up(&self, options: UpOptions) -> anyhow::Result<()> {
        let report =
            kiuas_migrate::up_with(&self.postgres, &self.settings, &self.sets, &options).await?;
        self.show(&report, || report.to_json())
    }

    async fn status(&self) -> anyhow::Result<()> {
        let status = kiuas_migrate::status(&self.postgres, &self.settings, &self.sets).await?;
        self.show(&status, || status.to_json())
    }

    /// The plan is printed whole, also when something in it is refused.
    fn planned(&self, plan: &Plan) -> anyhow::Result<()> {
        self.show(plan, || plan.to_json())?;
        plan.check().map_err(|error| match error {
            MigrateError::Refused(refused) => MigrateError::Planned(refused.len()).into(),
            other => other.into(),
        })
    }

    async fn verify(&self, options: VerifyOptions) -> anyhow::Result<()> {
        let verification =
            kiuas_migrate::verify(&self.postgres, &self.settings, &self.sets, &options).await?;
        self.show(&verification, || verification.to_json())?;
        if verification.is_good() {
            Ok(())
        } else {
            Err(Differs.into())
        }
    }

    async fn repair(&self, repairs: &Repairs) -> anyhow::Result<()> {
        let condition =
            kiuas_migrate::repair(&self.postgres, &self.settings, &self.sets, repairs).await?;
        self.show(&condition, || condition.to_json())?;
        if condition.problems.is_empty() {
            Ok(())
        } else {
            Err(Differs.into())
        }
    }

    fn show(
        &self,
        text: &dyn Display,
        json: impl FnOnce() -> Result<String, serde_json::Error>,
    ) -> anyhow::Result<()> {
        if self.json {
            print(&format!("{}\n", json()?))
        } else {
            print(&text.to_string())
        }
    }
}

impl From<PhaseName> for Want {
    fn from(name: PhaseName) -> Self {
        match name {
            PhaseName::Expand => Self::Expand,
            PhaseName::Contract => Self::Contract,
            PhaseName::All => Self::All,
        }
    }
}
