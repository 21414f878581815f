//! The signals of the pool itself.

use std::io;

use nix::sys::signal::{SigSet, Signal as Number};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    /// Collect ended processes.
    Reap,
    /// SIGHUP.
    Roll,
    /// SIGUSR2.
    Upgrade,
    /// SIGTTIN: one child more.
    More,
    /// SIGTTOU: one child less.
    Fewer,
    /// SIGTERM or SIGINT, by name.
    Stop(&'static str),
}

#[derive(Debug)]
pub(super) struct Signals {
    child: Signal,
    hangup: Signal,
    interrupt: Signal,
    terminate: Signal,
    user2: Signal,
    more: Signal,
    fewer: Signal,
}

const NUMBERS: [Number; 7] = [
    Number::SIGCHLD,
    Number::SIGHUP,
    Number::SIGINT,
    Number::SIGTERM,
    Number::SIGUSR2,
    Number::SIGTTIN,
    Number::SIGTTOU,
];

impl Signals {
    /// Handles them from now on. Those that came while the program before was replaced by this one are
    /// not lost.
    pub(super) fn install() -> io::Result<Self> {
        let signals = Self {
            child: signal(SignalKind::child())?,
            hangup: signal(SignalKind::hangup())?,
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            user2: signal(SignalKind::user_defined2())?,
            more: signal(SignalKind::from_raw(Number::SIGTTIN as i32))?,
            fewer: signal(SignalKind::from_raw(Number::SIGTTOU as i32))?,
        };
        release()?;
        Ok(signals)
    }

    pub(super) async fn next(&mut self) -> Wish {
        tokio::select! {
            _ = self.child.recv() => Wish::Reap,
            _ = self.hangup.recv() => Wish::Roll,
            _ = self.user2.recv() => Wish::Upgrade,
            _ = self.more.recv() => Wish::More,
            _ = self.fewer.recv() => Wish::Fewer,
            _ = self.interrupt.recv() => Wish::Stop("SIGINT"),
            _ = self.terminate.recv() => Wish::Stop("SIGTERM"),
        }
    }
}

/// Lets the kernel keep them until [`release`]: the next program has no handlers at its beginning, and
/// would die of them.
pub(super) fn hold() -> io::Result<()> {
    Ok(set().thread_block()?)
}

pub(super) fn release() -> io::Result<()> {
    Ok(set().thread_unblock()?)
}

fn set() -> SigSet {
    NUMBERS.into_iter().collect()
}
