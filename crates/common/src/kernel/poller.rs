//! A listening socket in a runtime's poller, for who accepts by himself.
#![expect(
    unsafe_code,
    reason = "tokio asks for a promise that the descriptor stays open and the same"
)]

use std::io;

use tokio::io::Interest;
use tokio::io::unix::{AsyncFd, AsyncFdReadyGuard};

use crate::listener::Listener;

/// A listening socket that is registered with the current runtime. It cannot be exchanged.
#[derive(Debug)]
pub struct Watched(AsyncFd<Listener>);

impl Watched {
    /// Registers `listener`, which must not block.
    ///
    /// # Errors
    /// The poller refuses it.
    pub fn new(listener: Listener) -> io::Result<Self> {
        // SAFETY: a `Listener` owns its descriptor and never changes it, and nothing here hands out a
        // `&mut Listener` by which another one could be put in its place.
        let registered = unsafe { AsyncFd::register_with_interest(listener, Interest::READABLE) };
        registered.map(Self).map_err(io::Error::from)
    }

    /// Resolves when there may be a connection to accept.
    ///
    /// # Errors
    /// The runtime is shutting down.
    pub async fn readable(&self) -> io::Result<AsyncFdReadyGuard<'_, Listener>> {
        self.0.readable().await
    }

    /// The socket.
    #[must_use]
    pub fn get(&self) -> &Listener {
        self.0.get_ref()
    }
}
