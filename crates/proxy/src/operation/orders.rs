//! Orders from the control socket to the main thread, which carries out one after the other.

use std::path::PathBuf;

use tokio::sync::{mpsc, oneshot};

use super::{ReloadError, Reloaded, UpgradeError, Upgraded};

/// Orders that wait.
const MOST_ORDERS: usize = 8;

/// Something the main thread does.
#[derive(Debug)]
pub enum Order {
    /// Read the settings anew.
    Reload(oneshot::Sender<Result<Reloaded, ReloadError>>),
    /// Let a new process take over; its program, if it is another file.
    Upgrade(
        Option<PathBuf>,
        oneshot::Sender<Result<Upgraded, UpgradeError>>,
    ),
}

/// The way to the main thread. Clones share it.
#[derive(Debug, Clone)]
pub struct Orders(mpsc::Sender<Order>);

/// The main thread ends, or has too much to do.
#[derive(Debug, thiserror::Error)]
#[error("the proxy takes no orders now: it ends, or is busy with others")]
pub struct NotTaken;

impl Orders {
    /// The way, and its end.
    #[must_use]
    pub fn new() -> (Self, mpsc::Receiver<Order>) {
        let (sender, receiver) = mpsc::channel(MOST_ORDERS);
        (Self(sender), receiver)
    }

    /// Reads the settings anew.
    ///
    /// # Errors
    /// The order is not taken; inside: why the old settings stay in force.
    pub async fn reload(&self) -> Result<Result<Reloaded, ReloadError>, NotTaken> {
        self.give(Order::Reload).await
    }

    /// Lets a new process take over.
    ///
    /// # Errors
    /// The order is not taken; inside: why this process goes on.
    pub async fn upgrade(
        &self,
        program: Option<PathBuf>,
    ) -> Result<Result<Upgraded, UpgradeError>, NotTaken> {
        self.give(|answer| Order::Upgrade(program, answer)).await
    }

    async fn give<T>(
        &self,
        order: impl FnOnce(oneshot::Sender<T>) -> Order,
    ) -> Result<T, NotTaken> {
        let (sender, outcome) = oneshot::channel();
        self.0.try_send(order(sender)).map_err(|_| NotTaken)?;
        outcome.await.map_err(|_| NotTaken)
    }
}
