//! The server child: accepts in the thread that serves, and drains without losing a request.
//!
//! Every thread has its own event loop, its own instance of the application and its own handle on each
//! listening socket, so a stuck handler takes no connection that another thread could serve.
//!
//! Drain: accepting stops → every answer says `Connection: close` → a thread leaves when nothing is
//! open, or nothing is in flight and idle connections had `web.idle_grace`, or at `web.drain_timeout`.
//! WebSockets and event streams are told to end and have `web.endless_timeout` for it.
//!
//! Pause: SIGTSTP stops the accepting alone, SIGCONT begins it again.

mod accept;
mod connection;
mod drain;
mod heartbeat;
mod probe;
mod service;
mod standing;
mod thread;
mod threads;
mod wire;

use std::io;
use std::sync::Arc;

use actix_web::web::ServiceConfig;
use futures_util::future::join_all;
use kiuas_common::admin::Health;
use kiuas_common::balance::Scales;
use kiuas_common::listener::{self, Listener, ListenerError};
use kiuas_common::metrics::Metrics;
use kiuas_common::redis::Redis;
use kiuas_common::scoreboard::Writer;
use kiuas_common::shutdown::DrainOutcome;
use kiuas_common::{Address, Environment, Pause, Shutdown, notify};
use tokio::sync::oneshot;
use tokio_util::task::TaskTracker;

use crate::boundary::{Measures, Places};
use crate::live::Live;
use crate::settings::WebSettings;

use drain::Left;
use standing::Standing;
use thread::Plan;
use threads::{Ended, Threads};

/// Adds an application's routes and data; runs once in every thread.
pub type Configure = Arc<dyn Fn(&mut ServiceConfig) + Send + Sync>;

/// What can go wrong with the server.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// A listening socket could not be opened or taken over.
    #[error(transparent)]
    Listener(#[from] ListenerError),
    /// A thread could not be started.
    #[error("cannot start a serving thread")]
    Thread(#[source] io::Error),
    /// The supervisor's signals cannot be heard.
    #[error("cannot listen for SIGTSTP and SIGCONT")]
    Signals(#[source] io::Error),
    /// The application could not be built; actix-web has logged why.
    #[error("cannot build the application")]
    Application,
    /// The application did not answer the probe as it should.
    #[error("the application is not ready: the answer to its first request was `{answer}`")]
    Probe {
        /// The status line, or what came instead.
        answer: String,
    },
    /// A thread ended by a panic outside every handler.
    #[error("a serving thread ended by itself")]
    Died,
}

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
    /// Set to ready when every thread has answered its probe, and back when the drain begins.
    pub health: Health,
    /// The application's routes and data.
    pub configure: Configure,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

/// The sockets to serve on: those that the parent process handed over, else `web.listen`.
///
/// # Errors
/// A socket cannot be taken over or opened.
pub fn sockets(settings: &WebSettings) -> Result<Sockets, ListenerError> {
    let inherited: Vec<Listener> = listener::inherited()?
        .into_iter()
        .map(|inherited| inherited.listener)
        .collect();
    if inherited.is_empty() {
        return Sockets::bind(&settings.listen);
    }
    Ok(Sockets {
        listeners: inherited,
        remove: None,
    })
}

/// Listening sockets, and the file to remove when they close.
#[derive(Debug)]
pub struct Sockets {
    listeners: Vec<Listener>,
    remove: Option<std::path::PathBuf>,
}

impl Sockets {
    /// Opens a socket of our own.
    ///
    /// # Errors
    /// The address cannot be bound.
    pub fn bind(address: &Address) -> Result<Self, ListenerError> {
        Ok(Self {
            listeners: vec![Listener::bind(address)?],
            remove: match address {
                Address::Unix(path) => Some(path.clone()),
                Address::Tcp(_) => None,
            },
        })
    }

    /// Sockets that somebody else keeps open too.
    #[must_use]
    pub fn shared(listeners: Vec<Listener>) -> Self {
        Self {
            listeners,
            remove: None,
        }
    }

    /// Where they listen.
    #[must_use]
    pub fn addresses(&self) -> Vec<Address> {
        self.listeners
            .iter()
            .filter_map(|listener| listener.local_address().ok())
            .collect()
    }

    fn try_clone(&self) -> io::Result<Vec<Listener>> {
        self.listeners.iter().map(Listener::try_clone).collect()
    }

    /// Closes our handles. The file goes first: who cannot connect can try elsewhere, who is reset in
    /// the queue cannot know.
    fn close(self) {
        if let Some(path) = &self.remove
            && let Err(error) = std::fs::remove_file(path)
        {
            tracing::debug!(%error, path = %path.display(), "cannot remove the socket's file");
        }
    }
}

impl Server {
    /// Serves on `sockets` until `shutdown` begins, then drains. `ready` is called when every thread
    /// has answered a probe request and accepts.
    ///
    /// # Errors
    /// A thread could not be started, the application could not be built, or a probe failed.
    pub async fn run(
        self,
        sockets: Sockets,
        shutdown: Shutdown,
        ready: impl FnOnce(),
    ) -> Result<DrainOutcome, ServerError> {
        let measures = Measures::register(&self.metrics);
        let board = board();
        let scales = Scales::from_environment().or_else(|| Scales::detached().ok());
        let pause = Pause::new();
        let places = Places::of(&self.settings);
        let peers = TaskTracker::new();
        let mut started = Vec::new();
        let mut threads = Threads::new(peers.clone());
        for number in 0..self.settings.threads.max(1) {
            let (ready, is_ready) = oneshot::channel();
            let (hears, heard) = oneshot::channel();
            let plan = Plan {
                server: self.clone(),
                measures: measures.clone(),
                listeners: sockets.try_clone().map_err(ServerError::Thread)?,
                shutdown: shutdown.clone(),
                pause: pause.clone(),
                places: places.clone(),
                board,
                scales,
                ready,
                hears,
                peers: peers.clone(),
                present: peers.token(),
            };
            started.push(is_ready);
            threads.add(spawn(number, plan)?, heard);
        }
        peers.close();
        let standing = Standing::new(board, pause.clone());
        let outcome = tokio::select! {
            outcome = self.supervise(sockets, &shutdown, &standing, started, ready) => outcome,
            failed = follow_pauses(&pause, &standing) => failed,
        };
        // Whatever went wrong, the threads end with the drain.
        shutdown.begin();
        let patience = self.settings.drain_timeout.duration();
        let left = threads.end(patience, &shutdown).await;
        outcome?;
        let Some(left) = left else {
            tracing::error!("a handler holds its thread for ever; the process ends without it");
            return Ok(DrainOutcome::Cut {
                remaining: peers.len(),
            });
        };
        let left = left.into_iter().collect::<Result<Vec<_>, _>>()?;
        Ok(summary(&left))
    }

    async fn supervise(
        &self,
        sockets: Sockets,
        shutdown: &Shutdown,
        standing: &Standing,
        started: Vec<oneshot::Receiver<Result<(), ServerError>>>,
        ready: impl FnOnce(),
    ) -> Result<(), ServerError> {
        for is_ready in join_all(started).await {
            is_ready.unwrap_or(Err(ServerError::Died))?;
        }
        self.health.set_ready(true);
        standing.ready();
        ready();
        shutdown.draining().await;
        standing.draining();
        self.health.set_ready(false);
        notify::stopping();
        sockets.close();
        Ok(())
    }
}

/// The supervisor's scoreboard, if it has one for us.
fn board() -> Option<Writer> {
    let board = Writer::from_environment()?;
    board.has_requests();
    if let Err(error) = board.answer_for_stacks() {
        tracing::warn!(%error, "the supervisor cannot ask for the stacks of stuck threads");
    }
    Some(board)
}

/// Ends with an error only.
async fn follow_pauses(pause: &Pause, standing: &Standing) -> Result<(), ServerError> {
    pause
        .follow_signals(|_| standing.pause_changed())
        .await
        .map_err(ServerError::Signals)
}

fn spawn(number: usize, plan: Plan) -> Result<oneshot::Receiver<Ended>, ServerError> {
    let (ended, has_ended) = oneshot::channel();
    std::thread::Builder::new()
        .name(format!("web-{number}"))
        .spawn(move || drop(ended.send(plan.run())))
        .map_err(ServerError::Thread)?;
    Ok(has_ended)
}

fn summary(left: &[Left]) -> DrainOutcome {
    let remaining = left
        .iter()
        .map(|left| match left {
            Left::Cut(requests) => *requests,
            Left::Empty | Left::Idle => 0,
        })
        .sum();
    if left.iter().any(|left| matches!(left, Left::Cut(_))) {
        DrainOutcome::Cut { remaining }
    } else {
        DrainOutcome::Complete
    }
}
