//! The accept loop of a thread on one listener.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use kiuas_common::kernel::poller::Watched;
use kiuas_common::listener::{BACKLOG, Listener};
use kiuas_common::{Pause, Shutdown};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{SocketFlags, acceptfrom_with};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::wire::Wire;
use crate::load::Load;

const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// After so long a thread with many connections looks whether one with fewer has taken the next.
const COURTESY: Duration = Duration::from_millis(1);

/// Takes a connection; the permit is its place among those that the thread may have open.
pub(super) type Take = dyn Fn(Wire, Option<SocketAddr>, OwnedSemaphorePermit);

/// A listening socket in a thread's event loop.
///
/// tokio's own listeners take the connection before anybody could ask whether it is this thread's turn,
/// and register it with the poller before anybody knows whether it will ever have to wait.
pub(super) struct Acceptor {
    socket: Watched,
    is_tcp: bool,
}

impl Acceptor {
    /// Registers the socket with the calling thread's event loop.
    pub(super) fn new(listener: Listener) -> io::Result<Self> {
        let is_tcp = matches!(listener, Listener::Tcp(_));
        if let Listener::Tcp(listener) = &listener {
            // Connections inherit it: one system call less for each.
            rustix::net::sockopt::set_tcp_nodelay(listener, true)?;
        }
        Ok(Self {
            socket: Watched::new(listener)?,
            is_tcp,
        })
    }
}

type Accepted = (Wire, Option<SocketAddr>);

/// The next connection of the queue; `WouldBlock` if there is none.
fn take(listener: &Listener, is_tcp: bool) -> io::Result<Accepted> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let (descriptor, peer): (OwnedFd, _) = acceptfrom_with(listener, flags)?;
    let peer = match peer {
        // Who has no address is taken for the proxy on a Unix socket, so it must be one.
        Some(peer) if is_tcp => Some(SocketAddr::try_from(peer)?),
        None if is_tcp => return Err(io::Error::other("a TCP peer without an address")),
        _ => None,
    };
    Ok((Wire::fresh(descriptor, is_tcp), peer))
}

/// When a thread accepts.
pub(super) struct Gate {
    pub(super) places: Arc<Semaphore>,
    pub(super) load: Rc<Load>,
    pub(super) shutdown: Shutdown,
    pub(super) pause: Pause,
}

/// Accepts until the drain begins, then takes what the kernel has queued, and closes the listener.
///
/// A process cannot know whether it is the last one on a shared listener. If it is, connections in the
/// queue would be reset when the listener closes; if it is not, taking a few more harms nobody.
pub(super) async fn accept(acceptor: Acceptor, gate: Rc<Gate>, take: Rc<Take>) {
    let mut pause = FIRST_PAUSE;
    while !gate.shutdown.is_draining() {
        // Whoever asks for the drain or the pause is asked only when there is nothing to accept.
        let accepted = tokio::select! {
            biased;
            accepted = gate.next(&acceptor) => accepted,
            () = gate.shutdown.draining() => break,
        };
        match accepted {
            Ok(((wire, peer), place)) => {
                pause = FIRST_PAUSE;
                take(wire, peer, place);
                others_first().await;
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection, trying again");
                // Nobody should leave a connection to us meanwhile.
                gate.load.set_accepts(false);
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
    if let Err(error) = empty(&acceptor, &gate.places, &*take) {
        tracing::warn!(%error, "cannot take the connections that were still queued");
    }
}

/// Lets what was taken be served before the next is: should its handler hold the thread for ever, nobody
/// was taken who now waits behind it. Other threads take them.
///
/// Not `yield_now`, which looks at all sockets first: a system call for every connection.
async fn others_first() {
    let mut is_second = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut is_second, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

impl Gate {
    async fn next(&self, acceptor: &Acceptor) -> io::Result<(Accepted, OwnedSemaphorePermit)> {
        loop {
            if self.pause.is_paused() {
                self.load.set_accepts(false);
                self.pause.resumed().await;
            }
            let place = self.place().await?;
            self.load.set_accepts(true);
            let mut ready = tokio::select! {
                biased;
                ready = acceptor.socket.readable() => ready?,
                () = self.pause.paused() => continue,
            };
            // Whoever says that it is paused takes nothing from then on.
            if self.pause.is_paused() {
                continue;
            }
            if !self.is_ours(acceptor.socket.get()).await {
                ready.clear_ready();
                continue;
            }
            // Another thread may have been quicker.
            if let Ok(accepted) = ready.try_io(|it| take(it.get_ref(), acceptor.is_tcp)) {
                return accepted.map(|accepted| (accepted, place));
            }
        }
    }

    /// A place for one more connection.
    async fn place(&self) -> io::Result<OwnedSemaphorePermit> {
        let places = &self.places;
        if let Ok(place) = Arc::clone(places).try_acquire_owned() {
            return Ok(place);
        }
        self.load.set_accepts(false);
        Arc::clone(places)
            .acquire_owned()
            .await
            .map_err(io::Error::other)
    }

    /// Lets threads with fewer connections go first. False if one of them took what there was.
    async fn is_ours(&self, listener: &Listener) -> bool {
        let Some(mut courtesy) = self.load.courtesy() else {
            return true;
        };
        while courtesy.waits() {
            tokio::time::sleep(COURTESY).await;
            if !has_queue(listener) {
                return false;
            }
        }
        true
    }
}

/// Whether a connection waits to be accepted.
fn has_queue(listener: &Listener) -> bool {
    let mut asked = [PollFd::new(listener, PollFlags::IN)];
    // Who cannot be asked can still be tried.
    poll(&mut asked, Some(&Timespec::default())).map_or(true, |ready| ready > 0)
}

/// Accepts without waiting until the queue is empty, as long as there are places. It asks the kernel
/// and not tokio, which may not have heard yet of the latest connections.
fn empty(acceptor: &Acceptor, places: &Arc<Semaphore>, then: &Take) -> io::Result<()> {
    for _ in 0..BACKLOG {
        let Ok(place) = Arc::clone(places).try_acquire_owned() else {
            return Ok(());
        };
        match take(acceptor.socket.get(), acceptor.is_tcp) {
            Ok((wire, peer)) => then(wire, peer, place),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
