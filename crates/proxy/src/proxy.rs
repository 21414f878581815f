//! A proxy from its settings to its end: check, bind, serve, drain.

use std::io;
use std::num::NonZero;
use std::sync::Arc;
use std::thread;

use kiuas_common::admin::{self, Health};
use kiuas_common::listener::ListenerError;
use kiuas_common::metrics::Metrics;
use kiuas_common::{Address, Shutdown, notify};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::admin::{Context, Store, StoreError};
use crate::listeners::{self, ListenersError};
use crate::meter::Meter;
use crate::operation::{Order, Orders, ReloadError, Running, Secrets, Signals, Source};
use crate::plan::{Plan, Plans};
use crate::server::{Places, Threads};
use crate::settings::{ProxySettings, TlsMode};
use crate::tls::{Certificates, TlsError};
use crate::upstream;
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
    /// The state file cannot be used.
    #[error(transparent)]
    State(#[from] StoreError),
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
pub struct Proxy {
    settings: ProxySettings,
    plan: Plan,
    source: Source,
}

impl Proxy {
    /// Reads the settings from `source`, checks them and makes them into a plan. Nothing is opened yet.
    /// A reload asks `source` again.
    ///
    /// # Errors
    /// Everything that is wrong with the settings.
    pub fn new(source: Source) -> Result<Self, ReloadError> {
        let settings = source()?;
        let plan = Plan::new(&settings)?;
        Ok(Self {
            settings,
            plan,
            source,
        })
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

    /// Serves until SIGTERM, SIGINT or SIGQUIT and drains. `traces` says that spans are exported.
    ///
    /// # Errors
    /// [`ProxyError`].
    pub async fn run(self, traces: bool) -> Result<(), ProxyError> {
        let mut signals = Signals::listen().map_err(ProxyError::Start)?;
        let health = Health::new();
        let (mut running, mut orders) = self.start(traces, &health).await?;
        health.set_ready(true);
        notify::ready();

        running.obey(&mut signals, &mut orders).await;
        notify::stopping();
        health.set_ready(false);
        drop(orders);
        if running.drain(&mut signals).await {
            Ok(())
        } else {
            Err(ProxyError::Panicked)
        }
    }

    /// Opens everything and starts the threads.
    async fn start(
        self,
        traces: bool,
        health: &Health,
    ) -> Result<(Running, mpsc::Receiver<Order>), ProxyError> {
        let Self {
            settings,
            mut plan,
            source,
        } = self;
        let shutdown = Shutdown::new();
        let fronts = listeners::open(&settings)?;
        let secrets = Secrets::new(&settings, &plan, &fronts).map_err(ProxyError::Tls)?;
        let metrics = Metrics::new();
        if let Some(address) = &settings.admin {
            admin::serve(address, health.clone(), metrics.clone(), &shutdown)
                .map_err(ProxyError::Admin)?;
        }
        plan.https_port = listeners::https_port(&fronts);
        let shared = Shared {
            places: Arc::new(Places::new(plan.limits.connections)),
            plans: Arc::new(Plans::new(plan)),
            meter: Meter::new(&metrics),
            closed_sites: Arc::default(),
            shutdown,
            handed_over: CancellationToken::new(),
            tls: Arc::default(),
            traces,
        };
        if let Some(secrets) = &secrets {
            shared.tls.store(Some(secrets.config()));
        }
        let store = Store::open(settings.state.as_deref(), &shared)?;
        let threads = Threads::start(threads(&settings), &shared).map_err(ProxyError::Start)?;
        let (sender, orders) = Orders::new();
        control(&settings, &shared, sender, store)?;
        ask_targets(&shared);
        for front in &fronts {
            threads.open(front).await.map_err(ProxyError::Start)?;
        }
        listeners::announce(&fronts);
        let running = Running {
            settings,
            source,
            fronts,
            threads,
            shared,
            secrets,
        };
        Ok((running, orders))
    }
}

fn threads(settings: &ProxySettings) -> usize {
    match settings.threads {
        0 => thread::available_parallelism().map_or(1, NonZero::get),
        count => count,
    }
}

/// Until the end.
fn ask_targets(shared: &Shared) {
    let watch = upstream::watch(Arc::clone(&shared.plans));
    let end = shared.shutdown.clone();
    #[expect(
        clippy::disallowed_methods,
        reason = "the health check goes on during the drain, and must not hold it up"
    )]
    tokio::spawn(async move {
        tokio::select! {
            () = watch => {}
            () = end.cutting() => {}
        }
    });
}

fn control(
    settings: &ProxySettings,
    shared: &Shared,
    orders: Orders,
    store: Store,
) -> Result<(), ProxyError> {
    let Some(Address::Unix(path)) = &settings.control else {
        return Ok(());
    };
    let context = Context {
        shared: shared.clone(),
        orders,
        store: Arc::new(store),
    };
    crate::admin::serve(path, context).map_err(ProxyError::Control)
}
