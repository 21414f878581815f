//! The server child: accepts in the thread that serves, and drains without losing a request.

use std::sync::Arc;

use actix_web::web::ServiceConfig;
use kiuas_common::admin::Health;
use kiuas_common::listener::Listener;
use kiuas_common::metrics::Metrics;
use kiuas_common::redis::Redis;
use kiuas_common::shutdown::DrainOutcome;
use kiuas_common::{Environment, Shutdown};

use crate::live::Live;
use crate::settings::WebSettings;

/// Adds an application's routes and data; runs once in every thread.
pub type Configure = Arc<dyn Fn(&mut ServiceConfig) + Send + Sync>;

/// What can go wrong with the server.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {}

/// What a server is made of.
#[derive(Clone)]
pub struct Server {
    /// Section `[web]`.
    pub settings: WebSettings,
    /// Where it runs.
    pub environment: Environment,
    /// The database of sessions.
    pub redis: Redis,
    /// Live updates; the caller runs them.
    pub live: Live,
    /// Registry of the metrics.
    pub metrics: Metrics,
    /// Set to ready when every thread has answered its probe.
    pub health: Health,
    /// The application's routes and data.
    pub configure: Configure,
}

impl Server {
    /// Serves on `listeners` until `shutdown` begins, then drains. `ready` is called when every thread
    /// has answered a probe request.
    ///
    /// # Errors
    /// A thread could not be started, the application could not be built, or a probe failed.
    pub async fn run(
        self,
        listeners: Vec<Listener>,
        shutdown: Shutdown,
        ready: impl FnOnce(),
    ) -> Result<DrainOutcome, ServerError> {
        drop(listeners);
        ready();
        Ok(shutdown.drain(self.settings.drain_timeout.duration()).await)
    }
}
