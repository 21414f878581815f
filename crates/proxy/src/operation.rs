//! The running proxy in its operator's hands: signals and orders (`kiuas-proxy ctl`), the reload of the
//! settings, the drain.
//!
//! ```text
//! SIGHUP,  ctl reload   read the settings anew; connections are never touched
//! SIGUSR1                open the access log anew
//! SIGUSR2, upgrade      a new process takes over, this one drains
//! SIGTERM, SIGINT, SIGQUIT   drain and end; a second one cuts
//! ```

mod drain;
mod handover;
mod orders;
mod pid_file;
mod reload;
mod secrets;
mod signals;
mod upgrade;

use std::path::PathBuf;

use kiuas_common::notify;
use tokio::sync::mpsc;

pub use handover::Predecessor;
pub use orders::{Order, Orders};
pub(crate) use pid_file::PidFile;
pub(crate) use reload::chain;
pub use reload::{ReloadError, Reloaded, Source, Written};
pub(crate) use secrets::Secrets;
pub(crate) use signals::{Signals, Wish};
pub use upgrade::{Invocation, UpgradeError, Upgraded};

use crate::listeners::{Front, Private};
use crate::server::Threads;
use crate::settings::ProxySettings;
use crate::worker::Shared;

/// What the main thread keeps of the running proxy.
pub(crate) struct Running {
    /// In force.
    pub(crate) settings: ProxySettings,
    /// Where settings are read from.
    pub(crate) source: Source,
    /// How the next process is started.
    pub(crate) invocation: Invocation,
    /// A handle on every listening socket.
    pub(crate) fronts: Vec<Front>,
    /// And on those that are not for visitors.
    pub(crate) private: Private,
    /// They serve.
    pub(crate) threads: Threads,
    /// Their end of everything.
    pub(crate) shared: Shared,
    /// The certificates in force, if HTTPS is spoken.
    pub(crate) secrets: Option<Secrets>,
    /// Gone with this process, unless it changed hands.
    pub(crate) _pid_file: PidFile,
}

impl Running {
    /// Obeys until the drain begins.
    pub(crate) async fn obey(&mut self, signals: &mut Signals, orders: &mut mpsc::Receiver<Order>) {
        let shutdown = self.shared.shutdown.clone();
        loop {
            let goes_on = tokio::select! {
                () = shutdown.draining() => false,
                wish = signals.next() => self.grant(wish, signals).await,
                // Without a control socket nobody holds the other end.
                Some(order) = orders.recv() => self.carry_out(order, signals).await,
            };
            if !goes_on {
                return;
            }
        }
    }

    /// False if the end begins.
    async fn grant(&mut self, wish: Wish, signals: &mut Signals) -> bool {
        match wish {
            Wish::End(signal) => {
                tracing::info!(signal, "received {signal}, draining");
                false
            }
            Wish::Reload => {
                drop(self.reload().await);
                true
            }
            Wish::Reopen => {
                reopen_logs(&self.shared);
                true
            }
            Wish::Upgrade => match self.replace(None, signals).await {
                Replaced::Yes(_) => false,
                Replaced::No(_) => true,
                Replaced::End => false,
            },
        }
    }

    /// False if the end begins. Who asked may have gone: the log says the same.
    async fn carry_out(&mut self, order: Order, signals: &mut Signals) -> bool {
        match order {
            Order::Reload(answer) => {
                drop(answer.send(self.reload().await));
                true
            }
            Order::Upgrade(program, answer) => match self.replace(program, signals).await {
                Replaced::Yes(upgraded) => {
                    drop(answer.send(Ok(upgraded)));
                    false
                }
                Replaced::No(error) => {
                    drop(answer.send(Err(error)));
                    true
                }
                Replaced::End => false,
            },
        }
    }

    /// An upgrade, unless the end is asked for meanwhile: then the new process is ended again.
    async fn replace(&mut self, program: Option<PathBuf>, signals: &mut Signals) -> Replaced {
        let shared = self.shared.clone();
        let outcome = tokio::select! {
            outcome = self.upgrade(program) => outcome,
            signal = signals.end(|| reopen_logs(&shared)) => {
                tracing::info!(signal, "received {signal} during an upgrade, draining");
                return Replaced::End;
            }
        };
        match outcome {
            Ok(upgraded) => Replaced::Yes(upgraded),
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "the upgrade failed, this process goes on"
                );
                Replaced::No(error)
            }
        }
    }

    /// Reads the settings anew, and tells the log and the supervisor.
    async fn reload(&mut self) -> Result<Reloaded, ReloadError> {
        notify::reloading();
        let outcome = self.renew().await;
        match &outcome {
            Ok(reloaded) => reloaded.log(),
            Err(error) => tracing::error!(
                reload.problems = error.problems().len(),
                "the settings were not reloaded, the old ones stay in force: {}",
                error.text()
            ),
        }
        notify::ready();
        outcome
    }
}

/// The access log's file was renamed by logrotate.
pub(crate) fn reopen_logs(shared: &Shared) {
    if let Some(sink) = &shared.plans.get().log_sink {
        sink.reopen();
    }
}

/// How an upgrade ended.
enum Replaced {
    Yes(Upgraded),
    No(UpgradeError),
    /// The end was asked for meanwhile.
    End,
}
