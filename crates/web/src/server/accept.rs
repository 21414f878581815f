//! The accept loop of a thread on one listener.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use kiuas_common::Shutdown;
use kiuas_common::listener::{BACKLOG, Stream, TokioListener};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Takes a connection; the permit is its place among those that the thread may have open.
pub(super) type Take = dyn Fn(Stream, OwnedSemaphorePermit);

/// Accepts until the drain begins, then takes what the kernel has queued, and closes the listener.
///
/// A process cannot know whether it is the last one on a shared listener. If it is, connections in the
/// queue would be reset when the listener closes; if it is not, taking a few more harms nobody.
pub(super) async fn accept(
    listener: TokioListener,
    places: Arc<Semaphore>,
    take: Rc<Take>,
    shutdown: Shutdown,
) {
    let mut pause = FIRST_PAUSE;
    loop {
        let accepted = tokio::select! {
            biased;
            () = shutdown.draining() => break,
            accepted = next(&listener, &places) => accepted,
        };
        match accepted {
            Ok((stream, place)) => {
                pause = FIRST_PAUSE;
                take(stream, place);
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection, trying again");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
    if let Err(error) = empty(listener, &places, &*take) {
        tracing::warn!(%error, "cannot take the connections that were still queued");
    }
}

async fn next(
    listener: &TokioListener,
    places: &Arc<Semaphore>,
) -> io::Result<(Stream, OwnedSemaphorePermit)> {
    let place = Arc::clone(places)
        .acquire_owned()
        .await
        .map_err(io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    Ok((stream, place))
}

/// Accepts without waiting until the queue is empty, as long as there are places. It asks the kernel
/// and not tokio, which may not have heard yet of the latest connections.
fn empty(listener: TokioListener, places: &Arc<Semaphore>, take: &Take) -> io::Result<()> {
    let accept: Box<dyn Fn() -> io::Result<Stream>> = match listener {
        TokioListener::Tcp(listener) => {
            let listener = listener.into_std()?;
            Box::new(move || tcp(listener.accept()?.0))
        }
        TokioListener::Unix(listener) => {
            let listener = listener.into_std()?;
            Box::new(move || unix(listener.accept()?.0))
        }
    };
    for _ in 0..BACKLOG {
        let Ok(place) = Arc::clone(places).try_acquire_owned() else {
            return Ok(());
        };
        match accept() {
            Ok(stream) => take(stream, place),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn tcp(stream: std::net::TcpStream) -> io::Result<Stream> {
    stream.set_nonblocking(true)?;
    stream.set_nodelay(true)?;
    tokio::net::TcpStream::from_std(stream).map(Stream::Tcp)
}

fn unix(stream: std::os::unix::net::UnixStream) -> io::Result<Stream> {
    stream.set_nonblocking(true)?;
    tokio::net::UnixStream::from_std(stream).map(Stream::Unix)
}
