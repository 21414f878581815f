//! When a draining thread may leave.
//!
//! By then it accepts nothing and answers with `Connection: close`. Connections that are idle cannot be
//! told so before their next answer; they stay open for the grace, which is longer than the proxy keeps
//! them, so that a request which is on its way is still answered.

use std::time::{Duration, Instant};

use kiuas_common::Shutdown;

use crate::load::Load;
use crate::settings::WebSettings;

/// Why a thread left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Left {
    /// No connection was open.
    Empty,
    /// Nothing was in flight, and idle connections had their grace.
    Idle,
    /// The deadline, or a second signal, cut this many requests.
    Cut(usize),
}

/// How long a draining thread waits for what.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// For another request on an idle connection.
    grace: Duration,
    /// For WebSockets and event streams.
    endless: Duration,
    /// For everything.
    deadline: Duration,
}

impl Patience {
    pub(super) fn of(settings: &WebSettings) -> Self {
        Self {
            grace: settings.idle_grace.duration(),
            endless: settings.endless_timeout.duration(),
            deadline: settings.drain_timeout.duration(),
        }
    }
}

/// Waits until the thread may leave.
pub(super) async fn leave(load: &Load, patience: Patience, shutdown: &Shutdown) -> Left {
    let begin = Instant::now();
    let end = tokio::time::sleep(patience.deadline);
    tokio::pin!(end);
    loop {
        if load.connections() == 0 {
            return Left::Empty;
        }
        let rest = rest(load, patience, begin);
        if load.finite() == 0 && rest.is_zero() {
            return Left::Idle;
        }
        tokio::select! {
            () = load.changed() => {}
            () = tokio::time::sleep(rest), if load.finite() == 0 => {}
            () = &mut end => return cut(load),
            () = shutdown.cutting() => return cut(load),
        }
    }
}

/// How much longer connections without a request that ends are waited for.
fn rest(load: &Load, patience: Patience, begin: Instant) -> Duration {
    let idle_since = load.last_reusable().map_or(begin, |last| last.max(begin));
    let idle = patience.grace.saturating_sub(idle_since.elapsed());
    if load.endless() == 0 {
        return idle;
    }
    idle.max(patience.endless.saturating_sub(begin.elapsed()))
}

fn cut(load: &Load) -> Left {
    match load.finite() {
        0 => Left::Idle,
        requests => Left::Cut(requests),
    }
}

#[cfg(test)]
mod tests;
