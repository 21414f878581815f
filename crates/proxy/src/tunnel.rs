//! WebSockets: after both sides said 101, bytes in both directions and nothing else.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use kiuas_common::Shutdown;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::meter::Counted;

/// Buffer for each direction; messages of WebSockets are small.
const BUFFER: usize = 8 * 1024;

/// Opens the tunnel when both sides have let go of HTTP. It is tracked: a drain waits for it, and ends
/// it at its deadline. `held` is kept until then (the visitor's place among the connections).
pub fn open<T: 'static>(
    visitor: OnUpgrade,
    application: OnUpgrade,
    silence: Duration,
    shutdown: &Shutdown,
    counted: Counted,
    held: T,
) {
    let cut = shutdown.clone();
    shutdown.spawn_local(async move {
        tokio::select! {
            outcome = run(visitor, application, silence) => {
                if let Err(error) = outcome {
                    tracing::debug!(%error, "a WebSocket ended early");
                }
            }
            () = cut.cutting() => {}
        }
        drop((counted, held));
    });
}

async fn run(visitor: OnUpgrade, application: OnUpgrade, silence: Duration) -> io::Result<()> {
    let (visitor, application) =
        tokio::try_join!(visitor, application).map_err(io::Error::other)?;
    let stirred = Rc::new(Cell::new(Instant::now()));
    let mut visitor = Stirring::new(TokioIo::new(visitor), &stirred);
    let mut application = Stirring::new(TokioIo::new(application), &stirred);
    let copy =
        tokio::io::copy_bidirectional_with_sizes(&mut visitor, &mut application, BUFFER, BUFFER);
    tokio::select! {
        outcome = copy => outcome.map(drop),
        () = silent_for(&stirred, silence) => Err(io::ErrorKind::TimedOut.into()),
    }
}

/// Resolves when nothing has stirred for `silence`.
async fn silent_for(stirred: &Cell<Instant>, silence: Duration) {
    loop {
        let until = stirred.get() + silence;
        if until <= Instant::now() {
            return;
        }
        tokio::time::sleep_until(until.into()).await;
    }
}

/// Stamps every byte that is read.
struct Stirring<S> {
    io: S,
    stirred: Rc<Cell<Instant>>,
}

impl<S> Stirring<S> {
    fn new(io: S, stirred: &Rc<Cell<Instant>>) -> Self {
        Self {
            io,
            stirred: Rc::clone(stirred),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Stirring<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.io).poll_read(cx, buffer);
        if outcome.is_ready() {
            self.stirred.set(Instant::now());
        }
        outcome
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Stirring<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
