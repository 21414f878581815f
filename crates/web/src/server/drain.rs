//! When a draining thread may leave.
//!
//! By then it accepts nothing and answers with `Connection: close`. Connections that are idle cannot be
//! told so before their next answer; they stay open for the grace, which is longer than the proxy keeps
//! them, so that a request which is on its way is still answered.

use std::time::{Duration, Instant};

use kiuas_common::Shutdown;

use crate::load::Load;

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

/// Waits until the thread may leave.
pub(super) async fn leave(
    load: &Load,
    grace: Duration,
    deadline: Duration,
    shutdown: &Shutdown,
) -> Left {
    let begin = Instant::now();
    let end = tokio::time::sleep(deadline);
    tokio::pin!(end);
    loop {
        if load.connections() == 0 {
            return Left::Empty;
        }
        let idle_since = load.last_reusable().map_or(begin, |last| last.max(begin));
        let rest = grace.saturating_sub(idle_since.elapsed());
        if load.finite() == 0 && rest.is_zero() {
            return Left::Idle;
        }
        tokio::select! {
            () = load.changed() => {}
            () = tokio::time::sleep(rest), if load.finite() == 0 => {}
            () = &mut end => return Left::Cut(load.finite()),
            () = shutdown.cutting() => return Left::Cut(load.finite()),
        }
    }
}

#[cfg(test)]
mod tests;
