//! What signals ask for.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wish {
    /// Drain and end; the signal's name.
    End(&'static str),
    /// Read the settings anew.
    Reload,
    /// Open log files anew.
    Reopen,
    /// Let a new process take over.
    Upgrade,
}

/// All signals that mean something to us.
#[derive(Debug)]
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    quit: Signal,
    hangup: Signal,
    user1: Signal,
    user2: Signal,
}

impl Signals {
    /// From now on they come here.
    ///
    /// # Errors
    /// The operating system refuses a handler.
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
            hangup: signal(SignalKind::hangup())?,
            user1: signal(SignalKind::user_defined1())?,
            user2: signal(SignalKind::user_defined2())?,
        })
    }

    /// The next one. May be dropped and called again: no signal is lost.
    pub(crate) async fn next(&mut self) -> Wish {
        tokio::select! {
            biased;
            _ = self.terminate.recv() => Wish::End("SIGTERM"),
            _ = self.interrupt.recv() => Wish::End("SIGINT"),
            _ = self.quit.recv() => Wish::End("SIGQUIT"),
            _ = self.hangup.recv() => Wish::Reload,
            _ = self.user1.recv() => Wish::Reopen,
            _ = self.user2.recv() => Wish::Upgrade,
        }
    }

    /// The next that asks for the end. Others are not for a process that ends or is being replaced, but
    /// for `reopen`: it still logs.
    pub(crate) async fn end(&mut self, reopen: impl Fn()) -> &'static str {
        loop {
            match self.next().await {
                Wish::End(signal) => return signal,
                Wish::Reopen => reopen(),
                Wish::Reload | Wish::Upgrade => {}
            }
        }
    }
}
