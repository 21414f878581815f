//! The serving threads: start, accept, drain.

mod accept;
mod places;

use std::io;
use std::rc::Rc;
use std::thread::JoinHandle;

use tokio::runtime::{Builder, LocalOptions, LocalRuntime};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::listeners::Front;
use crate::pulse::Stage;
use crate::worker::{Shared, Worker};
use accept::Gate;

pub use places::Places;

/// Threads for file system calls, for each serving thread.
const MOST_BLOCKING: usize = 8;
/// Listening sockets on their way to a thread.
const MOST_FRONTS: usize = 16;

/// The serving threads.
#[derive(Debug)]
pub struct Threads {
    handles: Vec<JoinHandle<()>>,
    doors: Vec<mpsc::Sender<Front>>,
    ended: CancellationToken,
}

impl Threads {
    /// Starts `count` threads; they accept nowhere yet.
    ///
    /// # Errors
    /// No thread is left, or a runtime cannot start.
    pub fn start(count: usize, shared: &Shared) -> io::Result<Self> {
        let mut threads = Self {
            handles: Vec::with_capacity(count),
            doors: Vec::with_capacity(count),
            ended: CancellationToken::new(),
        };
        for number in 0..count {
            let (door, fronts) = mpsc::channel(MOST_FRONTS);
            let shared = shared.clone();
            let ended = threads.ended.clone();
            let (told, started) = std::sync::mpsc::sync_channel(1);
            let handle = std::thread::Builder::new()
                .name(format!("proxy-{number}"))
                .spawn(move || {
                    let runtime = match runtime() {
                        Ok(runtime) => runtime,
                        Err(error) => return drop(told.send(Err(error))),
                    };
                    drop(told.send(Ok(())));
                    runtime.block_on(run(fronts, shared, ended));
                    runtime.shutdown_background();
                })?;
            started.recv().map_err(io::Error::other)??;
            threads.handles.push(handle);
            threads.doors.push(door);
        }
        Ok(threads)
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.handles.len()
    }

    /// From now on every thread accepts from `front`, until the drain or until the front is closed.
    ///
    /// # Errors
    /// No descriptor is left, or a thread has ended.
    pub async fn open(&self, front: &Front) -> io::Result<()> {
        for door in &self.doors {
            door.send(front.try_clone()?)
                .await
                .map_err(|_| io::Error::other("a serving thread has ended"))?;
        }
        Ok(())
    }

    /// Ends the threads with whatever they still do, and waits for them. False if one panicked.
    pub async fn end(self) -> bool {
        self.ended.cancel();
        let handles = self.handles;
        let all = tokio::task::spawn_blocking(move || {
            let mut good = true;
            for handle in handles {
                good &= handle.join().is_ok();
            }
            good
        });
        all.await.unwrap_or(false)
    }
}

/// Stays on the thread that makes it.
fn runtime() -> io::Result<LocalRuntime> {
    Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(MOST_BLOCKING)
        .build_local(LocalOptions::default())
}

async fn run(mut fronts: mpsc::Receiver<Front>, shared: Shared, ended: CancellationToken) {
    let worker = Rc::new(Worker::new(shared));
    let sweeper = Rc::clone(&worker.sweeper);
    let pools = Rc::clone(&worker);
    // Also what a thread without requests notices a new plan by.
    let round = move || {
        let plan = pools.plan();
        plan.upstreams.iter().for_each(|one| one.sweep());
        if let Some(log) = &plan.log {
            log.flush();
        }
        accept::make_room_at_applications(&pools, &plan);
        plan
    };
    let accept = async {
        while let Some(front) = fronts.recv().await {
            accept_from(front, &worker);
        }
        // The proxy lets go of the doors only when it is over.
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = sweeper.run(round) => {}
        () = accept => {}
        () = drain(&worker) => {}
        () = accept::make_room_for_others(&worker) => {}
        () = ended.cancelled() => {}
    }
}

/// Tells the connections of this thread how far the drain is, for ever.
async fn drain(worker: &Worker) {
    let shutdown = &worker.shared.shutdown;
    shutdown.draining().await;
    worker.sweeper.enter(Stage::Begun);
    let grace = worker.plan().limits.drain_grace;
    tokio::select! {
        () = tokio::time::sleep(grace) => worker.sweeper.enter(Stage::GraceOver),
        () = shutdown.cutting() => {}
    }
    shutdown.cutting().await;
    worker.sweeper.enter(Stage::Over);
    std::future::pending().await
}

fn accept_from(front: Front, worker: &Rc<Worker>) {
    let shutdown = &worker.shared.shutdown;
    match Gate::new(front, worker) {
        Ok(gate) => {
            shutdown.spawn_local(gate.run());
        }
        Err(error) => {
            tracing::error!(%error, "a serving thread cannot use a listening socket");
            shutdown.begin();
        }
    }
}
