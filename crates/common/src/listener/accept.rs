//! Private listeners, such as the admin listener and control sockets: a bounded number of connections,
//! each served by a task that ends by its own deadlines.

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use super::{Address, Stream, TokioListener};

/// Before accept(2) is tried again when it failed, mostly for want of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Accepts for ever, `most` connections at a time, and gives each to `serve`, which must end by its own
/// deadlines. The connections outlive this future: they do not hold up a drain, and end with the process.
pub async fn accept_private<F, R>(
    listener: TokioListener,
    name: &'static str,
    most: usize,
    serve: F,
) where
    F: Fn(Stream) -> R,
    R: Future<Output = ()> + Send + 'static,
{
    let permits = Arc::new(Semaphore::new(most));
    loop {
        let Ok(permit) = Arc::clone(&permits).acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, _)) => {
                let served = serve(stream);
                #[expect(
                    clippy::disallowed_methods,
                    reason = "bounded by the semaphore, ended by its own deadlines"
                )]
                tokio::spawn(async move {
                    served.await;
                    drop(permit);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "the {name} listener cannot accept, trying again");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// The file of a Unix socket, which goes with its listener; nothing for TCP.
#[derive(Debug)]
pub struct SocketFile(Option<PathBuf>);

impl SocketFile {
    /// Of the listener at `address`.
    #[must_use]
    pub fn of(address: &Address) -> Self {
        match address {
            Address::Unix(path) => Self(Some(path.clone())),
            Address::Tcp(_) => Self(None),
        }
    }

    /// Leaves the file where it is: another process listens there now.
    pub fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            drop(std::fs::remove_file(path));
        }
    }
}
