//! Builds again when the sources have changed, beside the running stack.

use anyhow::Result;
use std::time::Duration;

use rustix::process::Signal;

use super::PURPOSE;
use super::build::Build;
use super::change::Change;
use super::watch::Watch;
use crate::console::Console;
use crate::process::{Ending, Service};
use crate::services::Place;

const ENDING: Ending = Ending {
    signal: Signal::TERM,
    patience: Duration::from_secs(5),
};

/// The build that runs, and what waits for the next one.
#[derive(Debug)]
pub(super) struct Rebuild {
    /// How and where.
    pub(super) build: Build,
    watch: Option<Watch>,
    running: Option<Service>,
    /// Changes that are in no build yet.
    waiting: Option<Change>,
    /// Changes since the stack was rolled.
    unrolled: Option<Change>,
}

impl Rebuild {
    /// Builds when `watch` sees a change; never without one.
    pub(super) fn new(build: Build, watch: Option<Watch>) -> Self {
        Self {
            build,
            watch,
            running: None,
            waiting: None,
            unrolled: None,
        }
    }

    /// Starts what is due; the changes since the last roll once they are built.
    pub(super) fn poll(&mut self, place: &Place, console: &Console) -> Result<Option<Change>> {
        if let Some(change) = self.watch.as_mut().and_then(Watch::poll) {
            console.line(PURPOSE, &format!("changed: {}", change.summary()));
            self.waiting = Some(together(self.waiting.take(), change));
        }
        if let Some(service) = &mut self.running {
            let Some(status) = service.ended() else {
                return Ok(None);
            };
            self.running = None;
            if !status.success() {
                console.line(PURPOSE, "the build failed; what runs goes on");
            } else {
                return Ok(self.unrolled.take());
            }
        }
        if let Some(change) = self.waiting.take() {
            self.unrolled = Some(together(self.unrolled.take(), change));
            self.running = Some(self.start(place, console)?);
        }
        Ok(None)
    }

    /// What could not be rolled is part of the next roll.
    pub(super) fn keep(&mut self, change: Change) {
        self.unrolled = Some(together(self.unrolled.take(), change));
    }

    fn start(&self, place: &Place, console: &Console) -> Result<Service> {
        let mut command = self.build.command();
        command.arg(if console.coloured() {
            "--color=always"
        } else {
            "--color=never"
        });
        Service::start("build", command, &place.log, ENDING, &place.interrupt)
    }
}

fn together(earlier: Option<Change>, later: Change) -> Change {
    match earlier {
        Some(earlier) => earlier.and(later),
        None => later,
    }
}
