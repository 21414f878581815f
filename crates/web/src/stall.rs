//! Notices that something which should go on stands still.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};

/// A bounded wait that begins anew with every sign of progress. It needs no timer until the first wait.
#[derive(Debug)]
pub(crate) struct Stall {
    limit: Duration,
    timer: Option<Pin<Box<Sleep>>>,
    waits: bool,
}

impl Stall {
    /// Nothing may stand still for longer than `limit`.
    pub(crate) fn new(limit: Duration) -> Self {
        Self {
            limit,
            timer: None,
            waits: false,
        }
    }

    /// It went on.
    pub(crate) fn went_on(&mut self) {
        self.waits = false;
    }

    /// It stands still. Ready when it has done so since the first such call for the limit; else the task is
    /// woken then.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let limit = self.limit;
        let is_new = self.timer.is_none();
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(limit)));
        if !std::mem::replace(&mut self.waits, true) && !is_new {
            timer.as_mut().reset(Instant::now() + limit);
        }
        timer.as_mut().poll(cx)
    }
}
