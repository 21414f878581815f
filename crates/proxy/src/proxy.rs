//! A proxy from its settings to its end: check, bind, serve, drain.

use std::io;
use std::num::NonZero;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use kiuas_common::admin::{self, Health};
use kiuas_common::listener::ListenerError;
use kiuas_common::metrics::Metrics;
use kiuas_common::shutdown::DrainOutcome;
use kiuas_common::{Address, Shutdown, notify};
use tokio_rustls::TlsAcceptor;

use crate::admin::Context;
use crate::listeners::{self, Front, ListenersError};
use crate::meter::Meter;
use crate::plan::{Plan, PlanError, Plans};
use crate::server;
use crate::settings::{ProxySettings, TlsMode};
use crate::tls::{Certificates, TlsError};
use crate::worker::Shared;

/// Why a proxy does not start or ends early.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProxyError {
    /// No listening socket.
    #[error(transparent)]
    Listen(#[from] ListenersError),
    /// No admin listener.
    #[error("cannot open the admin listener")]
    Admin(#[source] ListenerError),
    /// No socket for `kiuas-proxy ctl`.
    #[error("cannot open the control socket")]
    Control(#[source] ListenerError),
    /// No certificate.
    #[error("cannot speak HTTPS")]
    Tls(#[source] TlsError),
    /// The operating system refuses a thread, a descriptor or a signal handler.
    #[error("cannot start the serving threads")]
    Start(#[source] io::Error),
    /// A serving thread panicked.
    #[error("a serving thread ended by a fault of the proxy")]
    Panicked,
}

/// A proxy that may be started.
#[derive(Debug)]
pub struct Proxy {
    settings: ProxySettings,
    plan: Plan,
}

impl Proxy {
    /// Checks the settings and makes them into a plan. Nothing is opened yet.
    ///
    /// # Errors
    /// Everything that is wrong with the settings.
    pub fn new(settings: ProxySettings) -> Result<Self, PlanError> {
        let plan = Plan::new(&settings)?;
        Ok(Self { settings, plan })
    }

    /// Reads the files that the settings name.
    ///
    /// # Errors
    /// The certificate or its key cannot be used.
    pub fn check_files(&self) -> Result<(), TlsError> {
        if self.settings.tls.mode == TlsMode::Files && !self.settings.https.0.is_empty() {
            Certificates::new(&self.settings.tls, &[])?;
        }
        Ok(())
    }

    /// Serves until SIGTERM or SIGINT and drains. `traces` says that spans are exported.
    ///
    /// # Errors
    /// [`ProxyError`].
    pub async fn run(mut self, traces: bool) -> Result<(), ProxyError> {
        let shutdown = Shutdown::new();
        shutdown.listen_for_signals().map_err(ProxyError::Start)?;
        let fronts = listeners::open(&self.settings)?;
        let tls = self.tls(&fronts, &shutdown).map_err(ProxyError::Tls)?;
        let metrics = Metrics::new();
        let health = Health::new();
        if let Some(address) = &self.settings.admin {
            admin::serve(address, health.clone(), metrics.clone(), &shutdown)
                .map_err(ProxyError::Admin)?;
        }
        let count = self.threads();
        self.plan.https_port = listeners::https_port(&fronts);
        let plans = Arc::new(Plans::new(self.plan));
        let shared = Shared {
            plans: Arc::clone(&plans),
            meter: Meter::new(&metrics),
            shutdown: shutdown.clone(),
            traces,
        };
        let threads =
            server::start(count, &fronts, &shared, tls.as_ref()).map_err(ProxyError::Start)?;
        if let Some(Address::Unix(path)) = &self.settings.control {
            let context = Context {
                shared: shared.clone(),
            };
            crate::admin::serve(path, context).map_err(ProxyError::Control)?;
        }
        listeners::announce(&fronts);
        // From here on the threads alone hold the sockets: the last one to close has emptied the queue.
        drop(fronts);
        health.set_ready(true);
        notify::ready();

        shutdown.draining().await;
        notify::stopping();
        health.set_ready(false);
        match shutdown.drain(plans.get().limits.drain).await {
            DrainOutcome::Complete => tracing::info!("drained, nothing was cut"),
            DrainOutcome::Cut { remaining } => tracing::warn!(
                remaining,
                "the drain ended with {remaining} connections or WebSockets cut"
            ),
        }
        shutdown.cut();
        join(threads).await
    }

    fn threads(&self) -> usize {
        match self.settings.threads {
            0 => thread::available_parallelism().map_or(1, NonZero::get),
            count => count,
        }
    }

    fn tls(&self, fronts: &[Front], shutdown: &Shutdown) -> Result<Option<TlsAcceptor>, TlsError> {
        if !fronts.iter().any(|front| front.secure) {
            return Ok(None);
        }
        let certificates = Certificates::new(&self.settings.tls, self.plan.sites.names())?;
        if let Some(file) = certificates.authority_file() {
            tracing::info!(
                tls.authority = %file.display(),
                "browsers trust this proxy once they trust `{}`",
                file.display()
            );
        }
        let acceptor = certificates.acceptor()?;
        certificates.renew_in_background(shutdown);
        Ok(Some(acceptor))
    }
}

/// Waits for the threads, which end by themselves now.
async fn join(threads: Vec<JoinHandle<()>>) -> Result<(), ProxyError> {
    let all = tokio::task::spawn_blocking(move || {
        let mut good = true;
        for thread in threads {
            good &= thread.join().is_ok();
        }
        good
    });
    match all.await {
        Ok(true) => Ok(()),
        _ => Err(ProxyError::Panicked),
    }
}
