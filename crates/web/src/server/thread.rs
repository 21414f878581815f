//! One serving thread: an event loop, the application built for it, and its accept loops.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use actix_service::Service;
use kiuas_common::balance::{Scales, Seat};
use kiuas_common::listener::Listener;
use kiuas_common::scoreboard::Writer;
use kiuas_common::{Pause, Shutdown};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::task::{LocalSet, spawn_local};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::accept::{Acceptor, Gate, Take, accept};
use super::connection::{Bounds, Connection};
use super::drain::{Left, Patience, leave};
use super::heartbeat::beat;
use super::probe::probe;
use super::service::{FLUSH, Parts, service};
use super::wire::Wire;
use super::{Server, ServerError};
use crate::boundary::{Measures, Places};
use crate::load::Load;

/// Everything a thread needs, made outside.
pub(super) struct Plan {
    pub(super) server: Server,
    pub(super) measures: Measures,
    pub(super) listeners: Vec<Listener>,
    pub(super) shutdown: Shutdown,
    pub(super) pause: Pause,
    /// Places for requests that run, if they are bounded.
    pub(super) places: Option<Arc<Places>>,
    /// Where the supervisor looks, if there is one.
    pub(super) board: Option<Writer>,
    /// Where the accepting threads are weighed.
    pub(super) scales: Option<Scales>,
    /// Told when the thread has answered its probe, or why it cannot.
    pub(super) ready: oneshot::Sender<Result<(), ServerError>>,
    /// Told when the thread has heard of the drain.
    pub(super) hears: oneshot::Sender<()>,
    /// The threads of the server.
    pub(super) peers: TaskTracker,
    /// Held until this thread needs its peers no more.
    pub(super) present: TaskTrackerToken,
}

impl Plan {
    /// Runs the thread to its end.
    pub(super) fn run(self) -> Result<Left, ServerError> {
        let seat = self.scales.map(Scales::seat);
        let runtime = runtime(seat.as_ref()).map_err(ServerError::Thread)?;
        let local = LocalSet::new();
        let left = local.block_on(&runtime, self.serve(seat));
        // Connections that are still open end here; blocking work is not waited for.
        drop(local);
        runtime.shutdown_background();
        left
    }

    async fn serve(self, seat: Option<Seat>) -> Result<Left, ServerError> {
        let Self {
            server,
            measures,
            listeners,
            shutdown,
            pause,
            places,
            board,
            ready,
            hears,
            peers,
            present,
            ..
        } = self;
        let load = Load::new(
            board.and_then(|board| board.thread()),
            seat,
            server.settings.hard_grace.duration(),
        );
        spawn_local(beat(Rc::clone(&load)));
        spawn_local(hear(hears, shutdown.clone()));
        let finish = CancellationToken::new();
        let parts = Parts {
            server: server.clone(),
            measures,
            load: Rc::clone(&load),
            shutdown: shutdown.clone(),
            places,
            finish: finish.clone(),
        };
        let take = match start(parts).await {
            Ok(take) => take,
            Err(error) => {
                drop(ready.send(Err(error)));
                return Ok(Left::Empty);
            }
        };
        load.set_counts();
        let gate = Rc::new(Gate {
            places: Arc::new(Semaphore::new(server.settings.connections)),
            load: Rc::clone(&load),
            shutdown: shutdown.clone(),
            pause,
        });
        let mut loops = Vec::with_capacity(listeners.len());
        for listener in listeners {
            let acceptor = Acceptor::new(listener).map_err(ServerError::Thread)?;
            loops.push(spawn_local(accept(
                acceptor,
                Rc::clone(&gate),
                Rc::clone(&take),
            )));
        }
        // Whoever is told that this child is ready may count on it already.
        load.set_accepts(true);
        drop(ready.send(Ok(())));
        for ended in loops {
            if let Err(error) = ended.await {
                tracing::error!(%error, "an accept loop ended by itself");
            }
        }
        // Reached only when the drain has begun: accept loops end with nothing else.
        load.set_accepts(false);
        let left = leave(&load, Patience::of(&server.settings), &shutdown).await;
        finish.cancel();
        flush(&load).await;
        // Pooled connections live on the thread that opened them, and all threads use them.
        drop(present);
        peers.wait().await;
        Ok(left)
    }
}

/// Tells the main thread that this one has heard of the drain. One that is stuck never does.
async fn hear(hears: oneshot::Sender<()>, shutdown: Shutdown) {
    shutdown.draining().await;
    // Nobody may want to know any more.
    hears.send(()).ok();
}

/// The thread's event loop, which shows the other threads when it waits for events.
fn runtime(seat: Option<&Seat>) -> io::Result<Runtime> {
    let mut builder = Builder::new_current_thread();
    builder.enable_all();
    if let Some(seat) = seat {
        let (waits, runs) = (seat.sign(), seat.sign());
        builder
            .on_thread_park(move || waits.waits())
            .on_thread_unpark(move || runs.runs());
    }
    builder.build()
}

/// Waits, not long, until the connections that were told to close have done so.
async fn flush(load: &Load) {
    let closed = async {
        while load.connections() > 0 {
            load.changed().await;
        }
    };
    if tokio::time::timeout(FLUSH, closed).await.is_err() {
        tracing::debug!(
            connections = load.connections(),
            "connections are cut at the end"
        );
    }
}

/// Builds the application, asks it once, and returns what takes connections.
async fn start(parts: Parts) -> Result<Rc<Take>, ServerError> {
    let bounds = Bounds::of(&parts.server.settings, parts.measures.clone());
    let (load, measures) = (Rc::clone(&parts.load), parts.measures.clone());
    let service = Rc::new(service(parts).await?);
    let serve = move |connection: Connection, peer: Option<SocketAddr>| {
        let service = Rc::clone(&service);
        let open = (load.connect(), measures.connect());
        async move {
            if let Err(error) = service.call((connection, peer)).await {
                tracing::debug!(%error, "a connection ended early");
            }
            drop(open);
        }
    };
    probe(|stream| {
        let connection = Connection::probe(stream.into(), &bounds);
        drop(spawn_local(serve(connection, None)));
    })
    .await?;
    Ok(Rc::new(
        move |wire: Wire, peer, place: OwnedSemaphorePermit| {
            let connection = serve(Connection::new(wire, peer, &bounds), peer);
            spawn_local(async move {
                connection.await;
                drop(place);
            });
        },
    ))
}
