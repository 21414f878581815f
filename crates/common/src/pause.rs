//! Taking no more work for a while: SIGTSTP pauses, SIGCONT resumes.
//!
//! What runs goes on. Only a process with a supervisor listens for the signals: on a terminal of its own
//! Ctrl-Z does what it always does.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use crate::notify;

/// Tells who takes work whether to. Clones share one state.
#[derive(Debug, Clone)]
pub struct Pause {
    paused: watch::Sender<bool>,
}

impl Default for Pause {
    fn default() -> Self {
        Self {
            paused: watch::Sender::new(false),
        }
    }
}

impl Pause {
    /// Not paused.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks to take no more work, or to take it again.
    pub fn set(&self, paused: bool) {
        self.paused.send_replace(paused);
    }

    /// True while no work is to be taken.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        *self.paused.borrow()
    }

    /// Resolves when a pause begins; at once during one.
    pub async fn paused(&self) {
        self.until(true).await;
    }

    /// Resolves when a pause ends; at once without one.
    pub async fn resumed(&self) {
        self.until(false).await;
    }

    /// Follows the supervisor's signals; `changed` hears of each change. Never resolves.
    ///
    /// # Errors
    /// The operating system refused to install a signal handler.
    pub async fn follow_signals(&self, changed: impl Fn(bool)) -> io::Result<()> {
        match Signals::listen()? {
            Some(signals) => signals.follow(self, changed).await,
            None => std::future::pending().await,
        }
    }

    async fn until(&self, wanted: bool) {
        let mut state = self.paused.subscribe();
        // The sender lives as long as `self`.
        drop(state.wait_for(|paused| *paused == wanted).await);
    }
}

/// The supervisor's signals, heard since this was made: from then on they stop nobody.
#[derive(Debug)]
pub struct Signals {
    stop: Signal,
    go_on: Signal,
}

impl Signals {
    /// Listens from now on; `None` without a supervisor.
    ///
    /// # Errors
    /// The operating system refused to install a signal handler.
    pub fn listen() -> io::Result<Option<Self>> {
        if !notify::is_supervised() {
            return Ok(None);
        }
        Ok(Some(Self {
            stop: signal(SignalKind::from_raw(libc::SIGTSTP))?,
            go_on: signal(SignalKind::from_raw(libc::SIGCONT))?,
        }))
    }

    /// Pauses and goes on as they say; `changed` hears of each change. Never resolves.
    pub async fn follow<T>(mut self, pause: &Pause, changed: impl Fn(bool)) -> T {
        loop {
            let paused = tokio::select! {
                _ = self.stop.recv() => true,
                _ = self.go_on.recv() => false,
            };
            if paused != pause.is_paused() {
                let what = if paused { "pausing" } else { "resuming" };
                tracing::info!("{what}, as the supervisor asked");
                pause.set(paused);
                changed(paused);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn waiting_ends_with_the_state_that_is_waited_for() {
        let pause = Pause::new();
        pause.resumed().await;
        let other = pause.clone();
        let waiting = async {
            other.paused().await;
            other.set(false);
        };
        let acting = async {
            pause.set(true);
            pause.resumed().await;
        };
        tokio::join!(waiting, acting);
        assert!(!pause.is_paused());
    }
}
