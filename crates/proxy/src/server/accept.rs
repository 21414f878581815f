//! Accepts on one listening socket in one thread.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use kiuas_common::Address;
use kiuas_common::listener::{self, LAST_HANDSHAKES, Stream, TokioListener};
use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::{AcquireError, OwnedSemaphorePermit};
use tokio_util::sync::CancellationToken;

use crate::connection::{self, Accepted};
use crate::exchange::Place;
use crate::listeners::Front;
use crate::meter::Counted;
use crate::pulse::Reason;
use crate::worker::{ThreadPlan, Worker};

/// After a failed accept(2) (no descriptor left): connections wait in the kernel's queue meanwhile.
const PAUSE: Duration = Duration::from_millis(50);
/// Connections taken from the queue after the drain has begun.
const MOST_LAST: usize = 4096;

/// Ends connections of this thread for the sake of others, for ever.
pub(super) async fn make_room_for_others(worker: &Worker) {
    loop {
        worker.shared.places.wanted().await;
        make_room(worker);
    }
}

fn make_room(worker: &Worker) -> bool {
    worker.sweeper.make_room(|reason| note(worker, reason))
}

/// A visitor who does not read keeps its place at an application as long: while others wait there, such
/// visitors end, the longest first.
pub(super) fn make_room_at_applications(worker: &Worker, plan: &ThreadPlan) {
    let waiting: usize = plan.upstreams.iter().map(|one| one.waiting()).sum();
    if waiting > 0 {
        worker
            .sweeper
            .end_stalled(waiting, |reason| note(worker, reason));
    }
}

fn note(worker: &Worker, reason: Reason) {
    tracing::debug!("a connection ends to make room: {}", reason.name());
    worker.shared.meter.evicted(reason.name());
}

/// A listening socket's end in this thread.
pub(super) struct Gate {
    listener: TokioListener,
    address: Address,
    secure: bool,
    owned: bool,
    closed: CancellationToken,
    open: Gauge,
    worker: Rc<Worker>,
}

impl Gate {
    pub(super) fn new(front: Front, worker: &Rc<Worker>) -> io::Result<Self> {
        Ok(Self {
            listener: front.listener.into_tokio()?,
            address: front.address,
            secure: front.secure,
            owned: front.owned,
            closed: front.closed,
            open: worker.shared.meter.connections(front.secure),
            worker: Rc::clone(worker),
        })
    }

    /// Accepts until the drain begins or the front is closed; then takes what had connected before, and closes.
    pub(super) async fn run(self) {
        let shutdown = self.worker.shared.shutdown.clone();
        // One for all connections: to begin and to give up a wait takes locks.
        let mut over = pin!(async {
            tokio::select! {
                () = shutdown.draining() => {}
                () = self.closed.cancelled() => {}
            }
        });
        loop {
            let accepted = tokio::select! {
                biased;
                () = &mut over => break,
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => match self.place().await {
                    Ok(permit) => self.begin(permit, stream, peer),
                    Err(error) => tracing::error!(%error, "there are no places"),
                },
                Err(error) => {
                    tracing::warn!(%error, "cannot accept on {}, trying again", self.address);
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
        if self.owned && !self.worker.shared.handed_over.is_cancelled() {
            self.empty_queue().await;
        }
    }

    /// Bounded: where the kernel cannot keep others out, they may go on to connect.
    async fn empty_queue(&self) {
        if let Err(error) = listener::let_nobody_in(&self.listener) {
            tracing::debug!(%error, "connections may begin on {} until it closes", self.address);
        }
        let grace = self.worker.plan().limits.drain_grace;
        let mut over = pin!(tokio::time::sleep(LAST_HANDSHAKES.min(grace)));
        for _ in 0..MOST_LAST {
            let accepted = tokio::select! {
                biased;
                accepted = self.listener.accept() => accepted,
                () = &mut over => return,
            };
            let (Ok((stream, peer)), Ok(permit)) = (accepted, self.place().await) else {
                return;
            };
            self.begin(permit, stream, peer);
        }
    }

    /// A place for a connection that is here already. With none left, the least useful ones end for it:
    /// of this thread, or if it has none such, of any. The others wait in the kernel's queue meanwhile.
    async fn place(&self) -> Result<OwnedSemaphorePermit, AcquireError> {
        let shared = &self.worker.shared;
        let mut taken = pin!(shared.places.take());
        loop {
            tokio::select! {
                biased;
                permit = &mut taken => return permit,
                () = std::future::ready(()) => {}
            }
            if !make_room(&self.worker) {
                shared.places.want();
            }
            tokio::select! {
                biased;
                permit = &mut taken => return permit,
                () = tokio::time::sleep(PAUSE) => {}
            }
        }
    }

    fn begin(&self, permit: OwnedSemaphorePermit, stream: Stream, peer: Option<SocketAddr>) {
        let shared = &self.worker.shared;
        let place = Place {
            permit,
            counted: Counted::new(self.open.clone()),
            present: None,
        };
        let accepted = Accepted {
            stream,
            peer,
            place,
        };
        let tls = match self.secure {
            true => shared.tls.load_full(),
            false => None,
        };
        // Nothing is ever said in the open where TLS is expected.
        if self.secure && tls.is_none() {
            return;
        }
        let serve = connection::serve(Rc::clone(&self.worker), accepted, tls);
        shared.shutdown.spawn_local(serve);
    }
}
