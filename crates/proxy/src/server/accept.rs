//! Accepts on one listening socket in one thread.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use futures_util::FutureExt;
use kiuas_common::Address;
use kiuas_common::listener::{Stream, TokioListener};
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;

use crate::connection::{self, Accepted};
use crate::exchange::Place;
use crate::listeners::Front;
use crate::meter::Counted;
use crate::worker::Worker;

/// After a failed accept(2) (no descriptor left): connections wait in the kernel's queue meanwhile.
const PAUSE: Duration = Duration::from_millis(50);
/// Connections taken from the queue after the drain has begun.
const MOST_LAST: usize = 4096;

/// A listening socket's end in this thread.
pub(super) struct Gate {
    listener: TokioListener,
    address: Address,
    secure: bool,
    owned: bool,
    closed: CancellationToken,
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
            worker: Rc::clone(worker),
        })
    }

    /// Accepts until the drain begins or the front is closed; then takes what had connected before, and closes.
    pub(super) async fn run(self) {
        let shutdown = self.worker.shared.shutdown.clone();
        loop {
            let accepted = tokio::select! {
                biased;
                () = shutdown.draining() => break,
                () = self.closed.cancelled() => break,
                accepted = self.accept() => accepted,
            };
            match accepted {
                Ok((permit, stream, peer)) => self.begin(permit, stream, peer),
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

    /// A connection left in the queue of a socket that closes is reset, and its owner cannot know
    /// whether a request was lost; a refused connection may safely be tried again. Bounded: while it
    /// runs, others may still connect.
    async fn empty_queue(&self) {
        for _ in 0..MOST_LAST {
            // Lets the runtime look at the socket once more.
            tokio::task::yield_now().await;
            let Some(Ok((permit, stream, peer))) = self.accept().now_or_never() else {
                return;
            };
            self.begin(permit, stream, peer);
        }
    }

    /// A place first: with none left, connections wait in the kernel's queue.
    async fn accept(&self) -> io::Result<(OwnedSemaphorePermit, Stream, Option<SocketAddr>)> {
        let places = &self.worker.shared.places;
        let permit = places.take().await.map_err(io::Error::other)?;
        let (stream, peer) = self.listener.accept().await?;
        Ok((permit, stream, peer))
    }

    fn begin(&self, permit: OwnedSemaphorePermit, stream: Stream, peer: Option<SocketAddr>) {
        let shared = &self.worker.shared;
        let place = Place {
            permit,
            counted: Counted::new(shared.meter.connections(self.secure)),
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
