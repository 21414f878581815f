//! How each work is measured. A server is started for every round: nobody inherits another round's state.

mod callers;
mod cost;
mod endless;
mod memory;
mod rolls;
mod spread;
mod stuck;

use anyhow::Result;

use super::super::report::Sample;
use super::contender::Contender;
use super::stage::Stage;

/// What is done with a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Task {
    /// CPU time of requests; `close`: each on a connection of its own.
    Cost { close: bool },
    /// Requests that are lost in rolls.
    Rolls,
    /// The longest request in rolls of an application that starts slowly.
    SlowStart,
    /// What a handler that never returns costs others.
    Endless,
    /// How connections are spread.
    Spread { at_once: bool },
    /// Memory of idle processes.
    Memory,
    /// When and how a stuck request is named.
    Stuck,
}

/// How long, and how often.
#[derive(Debug, Clone, Copy)]
pub(super) struct Effort {
    pub(super) rounds: u32,
    /// Of load in a round, where a work has no time of its own.
    pub(super) seconds: f64,
}

impl Task {
    /// True if it needs the load generator.
    pub(super) fn needs_wrk(self) -> bool {
        matches!(self, Self::Cost { .. } | Self::Memory)
    }

    /// One round of one server.
    pub(super) fn measure(
        self,
        contender: Contender,
        stage: &Stage,
        effort: Effort,
    ) -> Result<Sample> {
        match self {
            Self::Cost { close } => cost::measure(contender, stage, close, effort.seconds),
            Self::Rolls => rolls::measure(contender, stage, effort.rounds),
            Self::SlowStart => rolls::slow_start(contender, stage),
            Self::Endless => endless::measure(contender, stage),
            Self::Spread { at_once } => spread::measure(contender, stage, at_once),
            Self::Memory => memory::measure(contender, stage),
            Self::Stuck => stuck::measure(contender, stage),
        }
    }
}
