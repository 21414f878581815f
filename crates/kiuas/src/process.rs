//! What every long-running command does first and last.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use kiuas_common::admin::{self, Health};
use kiuas_common::metrics::Metrics;
use kiuas_common::settings::{SettingsError, Sources};
use kiuas_common::shutdown::DrainOutcome;
use kiuas_common::telemetry::{self, Telemetry};
use kiuas_common::{Address, Settings, Shutdown, notify};
use tokio::runtime::{Builder, Runtime};

use crate::resources::Resources;

/// What outlives the component's own drain (tasks that the application has spawned) has this long.
const LAST_TASKS: Duration = Duration::from_secs(5);

/// Reads the settings, with what the command line overrides.
pub(crate) fn settings(
    overrides: &[(String, String)],
    directory: Option<PathBuf>,
) -> Result<Settings, SettingsError> {
    let mut sources = Sources::from_process()?;
    if let Some(directory) = directory {
        sources.directory = directory;
    }
    for (key, value) in overrides {
        sources = sources.with(key, value);
    }
    Settings::load(&sources)
}

/// A component of an application as a process.
pub(crate) struct Process {
    pub(crate) settings: Settings,
    pub(crate) shutdown: Shutdown,
    pub(crate) metrics: Metrics,
    pub(crate) health: Health,
    /// `<application>-<component>`: in spans, and what PostgreSQL shows.
    pub(crate) name: &'static str,
    telemetry: Telemetry,
}

impl Process {
    /// Starts logs and traces, and ties the process to its supervisor.
    pub(crate) fn start(
        settings: Settings,
        application: &str,
        component: &str,
    ) -> anyhow::Result<Self> {
        // Once a process: telemetry keeps the name for ever.
        let name: &'static str = String::leak(format!("{application}-{component}"));
        let telemetry = telemetry::start(&settings.section("telemetry")?, name)?;
        log_panics();
        notify::follow_parent()?;
        Ok(Self {
            settings,
            shutdown: Shutdown::new(),
            metrics: Metrics::new(),
            health: Health::new(),
            name,
            telemetry,
        })
    }

    /// Runs `component` on `runtime` to its end, then waits a little for what it has left behind.
    pub(crate) fn run(
        self,
        runtime: &Runtime,
        component: impl AsyncFnOnce(&Self) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let outcome = runtime.block_on(async {
            self.shutdown
                .listen_for_signals()
                .context("cannot listen for signals")?;
            let outcome = component(&self).await;
            if let DrainOutcome::Cut { remaining } = self.shutdown.drain(LAST_TASKS).await {
                tracing::warn!(
                    remaining,
                    "some background work was still running at the end"
                );
            }
            outcome
        });
        tracing::info!("stopped");
        drop(self.telemetry);
        outcome
    }

    /// Serves `/healthz`, `/readyz` and `/metrics`, if the section names an address.
    pub(crate) fn serve_admin(&self, address: Option<&Address>) -> anyhow::Result<()> {
        if let Some(address) = address {
            admin::serve(
                address,
                self.health.clone(),
                self.metrics.clone(),
                &self.shutdown,
            )?;
        }
        Ok(())
    }

    /// Opens the pools and waits until the services answer. `None` if the process is told to stop
    /// while it waits.
    pub(crate) async fn resources(&self) -> anyhow::Result<Option<Resources>> {
        let resources = Resources::open(
            Arc::new(self.settings.clone()),
            self.name,
            self.metrics.clone(),
            self.shutdown.clone(),
        )?;
        tokio::select! {
            answered = resources.wait() => answered.map(|()| Some(resources)),
            () = self.shutdown.draining() => Ok(None),
        }
    }
}

/// A runtime on the calling thread, for components that have threads of their own or little to do.
pub(crate) fn small_runtime() -> anyhow::Result<Runtime> {
    Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")
}

/// A runtime on all cores.
pub(crate) fn large_runtime() -> anyhow::Result<Runtime> {
    Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")
}

/// Panics become log lines, in the span where they happen; the process goes on.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let message = panic.payload_as_str().unwrap_or("(no message)");
        let place = panic.location().map(ToString::to_string);
        tracing::error!(panic.place = place.as_deref(), "panicked: {message}");
    }));
}
