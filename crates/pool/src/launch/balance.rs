//! The memory in which the accepting threads of a pool's children are weighed against one another.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use kiuas_common::balance::{self, Scales};
use rustix::process::Pid;

/// One a pool, for all its children and over an upgrade.
#[derive(Debug)]
pub(crate) struct Balance {
    scales: Scales,
    descriptor: OwnedFd,
}

impl Balance {
    /// # Errors
    /// No memory, or no descriptor is left.
    pub(crate) fn create() -> io::Result<Self> {
        balance::create().and_then(Self::on)
    }

    /// The memory that the program before has made, else new memory: children that were started with
    /// another one are weighed among themselves.
    ///
    /// # Errors
    /// No memory, or no descriptor is left.
    pub(crate) fn restore(descriptor: Option<OwnedFd>) -> io::Result<Self> {
        match descriptor.map(Self::on) {
            Some(Ok(balance)) => Ok(balance),
            Some(Err(error)) => {
                tracing::info!(
                    %error,
                    "cannot use the connection balance of the program before, making a new one"
                );
                Self::create()
            }
            None => Self::create(),
        }
    }

    fn on(descriptor: OwnedFd) -> io::Result<Self> {
        let scales = Scales::on(&descriptor)?;
        Ok(Self { scales, descriptor })
    }

    /// Nobody leaves a connection to the threads of `pid` any more.
    pub(crate) fn ended(&self, pid: Pid) {
        self.scales.clear(pid.as_raw_nonzero().get().unsigned_abs());
    }
}

impl AsFd for Balance {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}
