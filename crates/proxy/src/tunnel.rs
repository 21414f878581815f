//! WebSockets: after both sides said 101, bytes in both directions, and at the proxy's end a last word to
//! the visitor.

mod copy;
mod farewell;
mod frames;
mod tunnels;

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::time::Sleep;

use crate::meter::Counted;
use crate::upstream::Switched;
use copy::Direction;
use farewell::Farewell;
use tunnels::{GOODBYE, Leaving};

pub use tunnels::Tunnels;

/// Opens the tunnel when the visitor's side has let go of HTTP. It is one of `tunnels`: a drain waits for
/// it, and ends it at its deadline. `held` is kept until then (the visitor's place among the connections).
pub fn open<T: 'static>(
    visitor: OnUpgrade,
    application: Switched,
    silence: Duration,
    tunnels: &Tunnels,
    counted: Counted,
    held: T,
) {
    let leaving = tunnels.leaving(application.mooring.leave());
    tunnels.spawn_local(async move {
        let _held = (counted, held);
        if let Err(error) = run(visitor, application, silence, leaving).await {
            tracing::debug!(%error, "a WebSocket ended early");
        }
    });
}

/// Both directions until both have ended, or one broke, or nothing stirred for `silence`.
async fn run(
    visitor: OnUpgrade,
    application: Switched,
    silence: Duration,
    mut leaving: Leaving,
) -> io::Result<()> {
    let Switched {
        stream,
        read,
        counted,
        mooring,
    } = application;
    let mut visitor = TokioIo::new(visitor.await.map_err(io::Error::other)?);
    let mut application = Farewell::new(stream, &read);
    let mut inward = Direction::default();
    let mut outward = Direction::beginning_with(read);
    let mut silence = Silence::new(silence);
    poll_fn(|cx| -> Poll<io::Result<()>> {
        if leaving.poll_leave(cx).is_ready() {
            application.leave();
            silence.begin_last(GOODBYE);
        }
        let one = inward.poll_copy(&mut visitor, &mut application, cx)?;
        let other = outward.poll_copy(&mut application, &mut visitor, cx)?;
        if one.is_ready() && other.is_ready() {
            return Poll::Ready(Ok(()));
        }
        // Not `||`: both are asked.
        if inward.has_stirred() | outward.has_stirred() {
            silence.renew();
        }
        silence
            .poll_end(cx)
            .map(|()| Err(io::ErrorKind::TimedOut.into()))
    })
    .await?;
    drop((counted, mooring));
    Ok(())
}

/// Ends when nothing has stirred for too long. Its timer is set anew only when it goes off, not with
/// every message.
struct Silence {
    limit: Duration,
    since: Instant,
    alarm: Pin<Box<Sleep>>,
    last: bool,
}

impl Silence {
    fn new(limit: Duration) -> Self {
        Self {
            limit,
            since: Instant::now(),
            alarm: Box::pin(tokio::time::sleep(limit)),
            last: false,
        }
    }

    fn renew(&mut self) {
        if !self.last {
            self.since = Instant::now();
        }
    }

    /// So long from now on, whatever stirs.
    fn begin_last(&mut self, limit: Duration) {
        self.renew();
        self.last = true;
        self.limit = limit;
        self.alarm.as_mut().reset((self.since + limit).into());
    }

    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            std::task::ready!(self.alarm.as_mut().poll(cx));
            let deadline = self.since + self.limit;
            if self.alarm.deadline() >= deadline.into() {
                return Poll::Ready(());
            }
            self.alarm.as_mut().reset(deadline.into());
        }
    }
}
