//! The serving threads: start, accept, drain.

mod accept;

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::runtime::Builder;
use tokio::sync::Semaphore;
use tokio::task::LocalSet;
use tokio_rustls::TlsAcceptor;

use crate::listeners::Front;
use crate::worker::{Shared, Worker};
use accept::Gate;

/// Threads for file system calls, for each serving thread.
const MOST_BLOCKING: usize = 8;

/// Starts `count` threads that accept from `fronts` until the drain, and end when it is over.
///
/// # Errors
/// No descriptor or no thread is left, or a runtime cannot start.
pub fn start(
    count: usize,
    fronts: &[Front],
    shared: &Shared,
    tls: Option<&TlsAcceptor>,
) -> io::Result<Vec<JoinHandle<()>>> {
    let places = shared
        .plans
        .get()
        .limits
        .connections
        .min(Semaphore::MAX_PERMITS);
    let places = Arc::new(Semaphore::new(places));
    let mut threads = Vec::with_capacity(count);
    for number in 0..count {
        let fronts = fronts.iter().map(mine).collect::<io::Result<Vec<_>>>()?;
        let shared = shared.clone();
        let tls = tls.cloned();
        let places = Arc::clone(&places);
        let runtime = Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(MOST_BLOCKING)
            .build()?;
        let thread = std::thread::Builder::new()
            .name(format!("proxy-{number}"))
            .spawn(move || {
                LocalSet::new().block_on(&runtime, run(fronts, shared, tls, places));
                runtime.shutdown_background();
            })?;
        threads.push(thread);
    }
    Ok(threads)
}

/// A thread's handle on a listening socket.
fn mine(front: &Front) -> io::Result<Front> {
    Ok(Front {
        listener: front.listener.try_clone()?,
        address: front.address.clone(),
        ..*front
    })
}

async fn run(fronts: Vec<Front>, shared: Shared, tls: Option<TlsAcceptor>, places: Arc<Semaphore>) {
    let shutdown = shared.shutdown.clone();
    let worker = Rc::new(Worker::new(shared));
    for front in fronts {
        let tls = tls.clone().filter(|_| front.secure);
        let gate = match Gate::new(front, tls, &places, &worker) {
            Ok(gate) => gate,
            Err(error) => {
                tracing::error!(%error, "a serving thread cannot use a listening socket");
                shutdown.begin();
                return;
            }
        };
        shutdown.spawn_local(gate.run());
    }
    let sweeper = Rc::clone(&worker.sweeper);
    // Also what a thread without requests notices a new plan by.
    let round = move || {
        let plan = worker.plan();
        plan.upstreams.iter().for_each(|one| one.sweep());
        plan
    };
    tokio::select! {
        () = sweeper.run(round) => {}
        () = shutdown.cutting() => {}
    }
}
