//! Accepts on one listening socket in one thread.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use kiuas_common::Address;
use kiuas_common::listener::{Stream, TokioListener};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsAcceptor;

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
    tls: Option<TlsAcceptor>,
    secure: bool,
    owned: bool,
    places: Arc<Semaphore>,
    worker: Rc<Worker>,
}

impl Gate {
    pub(super) fn new(
        front: Front,
        tls: Option<TlsAcceptor>,
        places: &Arc<Semaphore>,
        worker: &Rc<Worker>,
    ) -> io::Result<Self> {
        Ok(Self {
            listener: front.listener.into_tokio()?,
            address: front.address,
            tls,
            secure: front.secure,
            owned: front.owned,
            places: Arc::clone(places),
            worker: Rc::clone(worker),
        })
    }

    /// Accepts until the drain begins; then takes what had connected before, and closes.
    pub(super) async fn run(self) {
        let shutdown = self.worker.shared.shutdown.clone();
        loop {
            let accepted = tokio::select! {
                biased;
                () = shutdown.draining() => break,
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
        if self.owned {
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
        let permit = Arc::clone(&self.places)
            .acquire_owned()
            .await
            .map_err(io::Error::other)?;
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
        let serve = connection::serve(Rc::clone(&self.worker), accepted, self.tls.clone());
        shared.shutdown.spawn_local(serve);
    }
}
