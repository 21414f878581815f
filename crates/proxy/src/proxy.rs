//! A proxy from its settings to its end: check, bind, serve, drain.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use kiuas_common::admin::{self, Health};
use kiuas_common::listener::ListenerError;
use kiuas_common::metrics::Metrics;
use kiuas_common::{Address, Listener, Settings, Shutdown, notify};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::access_log::SinkError;
use crate::admin::{Context, Store, StoreError};
use crate::cache::{Cache, CacheCollector};
use crate::listeners::{self, ListenersError, Private};
use crate::meter::Meter;
use crate::operation::{
    Invocation, Order, Orders, PidFile, Predecessor, ReloadError, Running, Secrets, Signals, Source,
};
use crate::password;
use crate::plan::{Plan, PlanError, Plans, Problem};
use crate::server::{Places, Threads};
use crate::settings::ProxySettings;
use crate::tls::{self, Finding, TlsError};
use crate::tunnel::Tunnels;
use crate::upstream::{self, UpstreamCollector};
use crate::worker::Shared;

/// How long an upgrade waits for what lies on the cache's disk.
const SCAN_PATIENCE: Duration = Duration::from_secs(10);

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
    /// The access log cannot be opened.
    #[error(transparent)]
    Log(SinkError),
    /// The file for the process id cannot be written.
    #[error("cannot write the process id")]
    PidFile(#[source] io::Error),
    /// No directory for the cache.
    #[error("cannot use `proxy.cache.directory`")]
    Cache(#[source] io::Error),
    /// The operating system refuses a thread, a descriptor or a signal handler.
    #[error("cannot start the serving threads")]
    Start(#[source] io::Error),
    /// A serving thread panicked.
    #[error("a serving thread ended by a fault of the proxy")]
    Panicked,
}

/// Why the files that settings name cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FilesError {
    /// They cannot be read.
    #[error("cannot speak HTTPS")]
    Tls(#[from] TlsError),
    /// They can, and still visitors would be turned away.
    #[error(transparent)]
    Wrong(#[from] PlanError),
}

/// A proxy that may be started.
pub struct Proxy {
    settings: ProxySettings,
    places: Settings,
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
        let written = source()?;
        let plan = written.plan()?;
        Ok(Self {
            settings: written.settings,
            places: written.places,
            plan,
            source,
        })
    }

    /// Reads the files that the settings name. What is worth knowing and no reason to refuse comes back
    /// as text.
    ///
    /// # Errors
    /// A certificate or its key cannot be used, or visitors would be turned away by it.
    pub fn check_files(&self) -> Result<Vec<String>, FilesError> {
        if self.settings.https.0.is_empty() {
            return Ok(Vec::new());
        }
        let (mut warnings, mut problems) = (Vec::new(), Vec::new());
        for (key, finding) in tls::check(&self.plan.tls)? {
            match finding {
                Finding::Warning(text) => warnings.push(format!("`{key}.tls`: {text}")),
                Finding::Problem(problem) => problems.push(Problem {
                    key: format!("{key}.tls"),
                    problem,
                    place: None,
                }),
            }
        }
        match problems.is_empty() {
            true => Ok(warnings),
            false => Err(PlanError { problems }.written_in(&self.places).into()),
        }
    }

    /// Serves until SIGTERM, SIGINT, SIGQUIT or an upgrade, and drains. `predecessor` is the process that
    /// this one replaces; it is taken once this one serves. `traces` says that spans are exported.
    ///
    /// # Errors
    /// [`ProxyError`].
    pub async fn run(
        self,
        invocation: Invocation,
        predecessor: &mut Option<Predecessor>,
        traces: bool,
    ) -> Result<(), ProxyError> {
        let mut signals = Signals::listen().map_err(ProxyError::Start)?;
        let health = Health::new();
        let (mut running, mut orders) = self
            .start(invocation, predecessor.as_ref(), traces, &health)
            .await?;
        health.set_ready(true);
        notify::ready();
        if let Some(predecessor) = predecessor.take() {
            // Warm: what the older process has on the disk is known before this one serves.
            running.shared.cache.found(SCAN_PATIENCE).await;
            predecessor.replace();
        }

        running.obey(&mut signals, &mut orders).await;
        if !running.shared.handed_over.is_cancelled() {
            // After an upgrade the supervisor listens to the new process.
            notify::stopping();
        }
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
        invocation: Invocation,
        predecessor: Option<&Predecessor>,
        traces: bool,
        health: &Health,
    ) -> Result<(Running, mpsc::Receiver<Order>), ProxyError> {
        let Self {
            settings,
            mut plan,
            source,
            places: _,
        } = self;
        let shutdown = Shutdown::new();
        let handed = predecessor.map(Predecessor::listeners);
        let (fronts, mut private) = listeners::open(&settings, handed)?;
        let metrics = Metrics::new();
        let meter = Meter::new(&metrics);
        let secrets = Secrets::new(&plan, &fronts, &meter).map_err(ProxyError::Tls)?;
        plan.https_port = listeners::https_port(&fronts);
        plan.open_log(None, &meter).map_err(ProxyError::Log)?;
        let shared = Shared {
            cache: Arc::new(Cache::new(&plan.cache).map_err(ProxyError::Cache)?),
            places: Arc::new(Places::new(plan.limits.connections)),
            plans: Arc::new(Plans::new(plan)),
            meter,
            closed_sites: Arc::default(),
            shutdown,
            tunnels: Tunnels::default(),
            handed_over: CancellationToken::new(),
            tls: Arc::default(),
            protection: Arc::default(),
            traces,
        };
        if let Some(secrets) = &secrets {
            if let Some(predecessor) = predecessor {
                secrets.resume(predecessor);
            }
            shared.tls.store(Some(secrets.tls()));
        }
        let store = Store::open(settings.state.as_deref(), &shared)?;
        password::watch(&shared.shutdown);
        metrics.collect(Box::new(UpstreamCollector(Arc::clone(&shared.plans))));
        metrics.collect(Box::new(CacheCollector(Arc::clone(&shared.cache))));
        let threads =
            Threads::start(settings.thread_count(), &shared).map_err(ProxyError::Start)?;
        open_admin(&settings, &mut private, &shared, health.clone(), metrics)
            .map_err(ProxyError::Admin)?;
        let (sender, orders) = Orders::new();
        open_control(&settings, &mut private, &shared, sender, store)
            .map_err(ProxyError::Control)?;
        ask_targets(&shared);
        for front in &fronts {
            threads.open(front).await.map_err(ProxyError::Start)?;
        }
        let pid_file = PidFile::write(settings.pid_path.as_deref()).map_err(ProxyError::PidFile)?;
        listeners::announce(&fronts);
        let running = Running {
            settings,
            source,
            invocation,
            fronts,
            private,
            threads,
            shared,
            secrets,
            _pid_file: pid_file,
        };
        Ok((running, orders))
    }
}

fn open_admin(
    settings: &ProxySettings,
    private: &mut Private,
    shared: &Shared,
    health: Health,
    metrics: Metrics,
) -> Result<(), ListenerError> {
    let Some(address) = &settings.admin else {
        return Ok(());
    };
    let listener = match private.admin.take() {
        Some(listener) => listener,
        None => admin::bind(address)?,
    };
    private.admin = Some(clone(&listener, address)?);
    let leave = &shared.handed_over;
    admin::serve_on(listener, health, metrics, &shared.shutdown, leave).map(drop)
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

fn open_control(
    settings: &ProxySettings,
    private: &mut Private,
    shared: &Shared,
    orders: Orders,
    store: Store,
) -> Result<(), ListenerError> {
    let Some(address @ Address::Unix(path)) = &settings.control else {
        return Ok(());
    };
    let context = Context {
        shared: shared.clone(),
        orders,
        store: Arc::new(store),
    };
    let listener = match private.control.take() {
        Some(listener) => listener,
        None => Listener::bind_private(path)?,
    };
    private.control = Some(clone(&listener, address)?);
    crate::admin::serve(path, listener, context)
}

/// For the next process.
fn clone(listener: &Listener, address: &Address) -> Result<Listener, ListenerError> {
    listener.try_clone().map_err(|source| ListenerError::Bind {
        address: address.to_string(),
        source,
    })
}
