//! What the reader, the service and the task of one connection tell each other.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::Waker;

use futures_util::task::AtomicWaker;
use parking_lot::Mutex;

use crate::gate::Refusal;
use crate::hints::Hints;

/// Whose turn it is after a request for a WebSocket.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Turn {
    /// The answer is not known yet.
    #[default]
    Undecided,
    /// 101: the bytes that follow belong to the tunnel.
    Granted,
    /// Anything else: the bytes that follow are requests.
    Denied,
}

/// What the service must know about the request that it is called for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// Why it is refused, if it is.
    pub refusal: Option<Refusal>,
    /// It asks for a WebSocket, and the reader waits for [`Gatekeeper::grant`] or [`Gatekeeper::deny`].
    pub upgrade: bool,
}

/// Shared by reader, service and task of a connection.
#[derive(Debug, Default)]
pub struct Gatekeeper {
    /// Heads that hyper was given, the stand-in included.
    heads: AtomicU64,
    /// Requests that the service was called for.
    calls: AtomicU64,
    /// The refused head: its number and why.
    head: Mutex<Option<(u64, Refusal)>>,
    /// The number of the last head that asked for a WebSocket.
    upgrade: AtomicU64,
    /// Why the current body ended.
    body: Mutex<Option<Refusal>>,
    turn: Mutex<Turn>,
    late: AtomicBool,
    reader: AtomicWaker,
    hints: Hints,
}

impl Gatekeeper {
    /// What the visitor is told before the answer.
    pub fn hints(&self) -> &Hints {
        &self.hints
    }

    /// The service is called. Requests are counted on both sides, because a visitor could send the
    /// stand-in's bytes as an honest request.
    pub fn next_call(&self) -> Arrival {
        let number = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        let refusal = match *self.head.lock() {
            Some((refused, refusal)) if refused == number => Some(refusal),
            _ => None,
        };
        Arrival {
            refusal,
            upgrade: self.upgrade.load(Ordering::Relaxed) == number,
        }
    }

    /// Why the body that is being read is malformed, if it is.
    pub fn body_refusal(&self) -> Option<Refusal> {
        *self.body.lock()
    }

    /// The answer to a request for a WebSocket is 101.
    pub fn grant(&self) {
        *self.turn.lock() = Turn::Granted;
        self.reader.wake();
    }

    /// The answer is no 101, unless that was said before.
    pub fn deny(&self) {
        let mut turn = self.turn.lock();
        if *turn == Turn::Undecided {
            *turn = Turn::Denied;
        }
        drop(turn);
        self.reader.wake();
    }

    /// The head took too long.
    pub fn be_late(&self) {
        self.late.store(true, Ordering::Relaxed);
        self.reader.wake();
    }

    pub(super) fn is_late(&self) -> bool {
        self.late.load(Ordering::Relaxed)
    }

    pub(super) fn head_passed(&self, upgrade: bool) {
        let number = self.heads.fetch_add(1, Ordering::Relaxed) + 1;
        if upgrade {
            self.upgrade.store(number, Ordering::Relaxed);
        }
    }

    pub(super) fn refuse_head(&self, refusal: Refusal) {
        let number = self.heads.fetch_add(1, Ordering::Relaxed) + 1;
        *self.head.lock() = Some((number, refusal));
    }

    pub(super) fn refuse_body(&self, refusal: Refusal) {
        *self.body.lock() = Some(refusal);
    }

    /// The decision, once; it is asked for after [`Gatekeeper::register`].
    pub(super) fn take_turn(&self) -> Turn {
        std::mem::take(&mut *self.turn.lock())
    }

    pub(super) fn register(&self, waker: &Waker) {
        self.reader.register(waker);
    }
}
