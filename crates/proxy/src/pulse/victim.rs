//! Who must go when every place for a connection is taken and a new visitor waits: nobody whom an
//! application works for, and the least useful first.

use std::sync::atomic::Ordering;

use super::Pulse;

/// A head that takes longer is a slow one, in milliseconds.
const SLOW_HEAD: u64 = 2000;
/// A body is not judged earlier.
const BODY_GRACE: u64 = 300;
/// A reader is not judged earlier.
const READER_GRACE: u64 = 1000;
/// Bytes a second; a body that comes faster, or an answer that is read faster, is worth its place.
const GOOD_RATE: u64 = 16 * 1024;

/// Why a connection may have to go, the first to go first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// Its head takes long; the longest first.
    SlowHead,
    /// It is idle; the longest first.
    Idle,
    /// A request body comes slowly; the slowest first.
    SlowBody,
    /// It does not read; the longest first.
    Stalled,
    /// It reads slowly; the slowest first.
    SlowReader,
    /// Its head is not whole yet; the oldest first.
    Head,
}

impl Reason {
    /// Its name in metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::SlowHead => "slow_head",
            Self::Idle => "idle",
            Self::SlowBody => "slow_body",
            Self::Stalled => "stalled",
            Self::SlowReader => "slow_reader",
            Self::Head => "head",
        }
    }
}

/// How dispensable a connection is; the smallest goes first. `None`: not at all.
pub(super) fn rank(pulse: &Pulse, now: u64) -> Option<(Reason, u64)> {
    let get = |stamp: &std::sync::atomic::AtomicU64| stamp.load(Ordering::Relaxed);
    if pulse.evicted.load(Ordering::Relaxed) {
        return None;
    }
    let in_flight = pulse.in_flight.load(Ordering::Relaxed);
    let head = get(&pulse.head_since);
    if in_flight == 0 {
        return Some(match head {
            0 => (Reason::Idle, get(&pulse.idle_since)),
            since if now.saturating_sub(since) >= SLOW_HEAD => (Reason::SlowHead, since),
            since => (Reason::Head, since),
        });
    }
    let old = |since: u64, grace: u64| since != 0 && now.saturating_sub(since) >= grace;
    let blocked = get(&pulse.blocked_since);
    let shut = get(&pulse.shut_since);
    for since in [blocked, shut] {
        if old(since, READER_GRACE) {
            return Some((Reason::Stalled, since));
        }
    }
    let waiting = match blocked {
        0 => 0,
        since => now.saturating_sub(since),
    };
    let reads = pulse.reader.rate_so_far(waiting, READER_GRACE);
    let reads = reads.min(pulse.streams.rate());
    if reads < GOOD_RATE {
        return Some((Reason::SlowReader, reads));
    }
    // Every request on it waits for the visitor.
    let body = get(&pulse.body_since);
    if pulse.bodies.load(Ordering::Relaxed) >= in_flight && old(body, BODY_GRACE) {
        let rate = get(&pulse.body_bytes).saturating_mul(1000) / now.saturating_sub(body).max(1);
        return (rate < GOOD_RATE).then_some((Reason::SlowBody, rate));
    }
    None
}
