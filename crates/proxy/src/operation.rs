//! The running proxy in its operator's hands: signals and orders (`kiuas-proxy ctl`), the reload of the
//! settings, the drain.
//!
//! ```text
//! SIGHUP,  ctl reload   read the settings anew; connections are never touched
//! SIGTERM, SIGINT, SIGQUIT   drain and end; a second one cuts
//! ```

mod drain;
mod orders;
mod reload;
mod secrets;
mod signals;

use kiuas_common::notify;
use tokio::sync::mpsc;

pub use orders::{Order, Orders};
pub use reload::{ReloadError, Reloaded, Source};
pub(crate) use secrets::Secrets;
pub(crate) use signals::{Signals, Wish};

use crate::listeners::Front;
use crate::server::Threads;
use crate::settings::ProxySettings;
use crate::worker::Shared;

/// What the main thread keeps of the running proxy.
pub(crate) struct Running {
    /// In force.
    pub(crate) settings: ProxySettings,
    /// Where settings are read from.
    pub(crate) source: Source,
    /// A handle on every listening socket.
    pub(crate) fronts: Vec<Front>,
    /// They serve.
    pub(crate) threads: Threads,
    /// Their end of everything.
    pub(crate) shared: Shared,
    /// The certificates in force, if HTTPS is spoken.
    pub(crate) secrets: Option<Secrets>,
}

impl Running {
    /// Obeys until the drain begins.
    pub(crate) async fn obey(&mut self, signals: &mut Signals, orders: &mut mpsc::Receiver<Order>) {
        let shutdown = self.shared.shutdown.clone();
        loop {
            tokio::select! {
                () = shutdown.draining() => return,
                wish = signals.next() => match wish {
                    Wish::End(signal) => {
                        tracing::info!(signal, "received {signal}, draining");
                        return;
                    }
                    Wish::Reload => drop(self.reload().await),
                },
                // Without a control socket nobody holds the other end.
                Some(Order::Reload(answer)) = orders.recv() => {
                    let outcome = self.reload().await;
                    // Who asked may have gone; the log says it too.
                    drop(answer.send(outcome));
                }
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
