//! What was found: samples, goals, medians and the JSON. How it is printed is in `table` and `block`.

pub(super) mod block;
mod machine;
pub(super) mod table;

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;

pub(super) use machine::Machine;

use crate::console::say;

/// The server that is ours, in every table.
pub(super) const OURS: &str = "kiuas";

/// One server in one round of one work.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(super) struct Sample {
    /// What the work is about, in the unit of its row.
    pub(super) figure: f64,
    /// Requests a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) rate: Option<f64>,
    /// 99th percentile (HTTP/2: maximum) of the time to an answer, in microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) p99_us: Option<f64>,
    /// Failed requests.
    pub(super) failed: u64,
    /// What else was counted.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) details: BTreeMap<String, f64>,
}

/// A server's samples of one work.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Series {
    /// The server.
    pub(super) server: String,
    /// One a round.
    pub(super) samples: Vec<Sample>,
}

/// What was found about one work.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Row {
    /// The work.
    pub(super) work: String,
    /// Unit of the figures.
    pub(super) unit: &'static str,
    /// What stands for a server's rounds.
    pub(super) summary: Summary,
    /// What should be reached.
    pub(super) goals: Vec<Goal>,
    /// Ours first.
    pub(super) series: Vec<Series>,
}

/// What stands for all rounds of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Summary {
    /// The middle one: for times and costs.
    Median,
    /// All of them: for what may never happen.
    Sum,
    /// The worst one.
    Maximum,
}

/// What a work should reach. Every figure is the better the smaller it is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Goal {
    /// The peer's figure divided by ours, at least; the median of the ratios within each round.
    Ratio {
        /// The peer.
        peer: &'static str,
        /// The smallest ratio that is good.
        least: f64,
    },
    /// Ours, at most.
    AtMost(f64),
    /// Ours is not above the peer's.
    NotAbove(&'static str),
}

/// The middle one.
pub(super) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let at = |index: usize| values.get(index).copied().unwrap_or(f64::NAN);
    if values.len() % 2 == 1 {
        at(middle)
    } else {
        f64::midpoint(at(middle.wrapping_sub(1)), at(middle))
    }
}

impl Summary {
    fn of(self, values: impl Iterator<Item = f64>) -> f64 {
        match self {
            Self::Median => median(values),
            Self::Sum => values.sum(),
            Self::Maximum => values.fold(f64::NAN, f64::max),
        }
    }
}

impl Series {
    fn figure(&self, summary: Summary) -> f64 {
        summary.of(self.samples.iter().map(|sample| sample.figure))
    }

    /// How many times our figure the peer's is: the median over the rounds.
    fn ratio_to(&self, peer: &Self) -> f64 {
        median(
            self.samples
                .iter()
                .zip(&peer.samples)
                .map(|(ours, theirs)| theirs.figure / ours.figure),
        )
    }

    /// In milliseconds; `None` where none was measured.
    fn p99_ms(&self) -> Option<f64> {
        let known: Vec<f64> = self.samples.iter().filter_map(|it| it.p99_us).collect();
        (!known.is_empty()).then(|| median(known) / 1000.0)
    }
}

impl Row {
    fn series(&self, server: &str) -> Option<&Series> {
        self.series.iter().find(|series| series.server == server)
    }

    /// What stands for the rounds of `server`.
    pub(super) fn figure(&self, server: &str) -> Option<f64> {
        Some(self.series(server)?.figure(self.summary))
    }

    /// What was reached, by the measure of `goal`; `None` if whom it speaks of was not measured.
    pub(super) fn reached(&self, goal: Goal) -> Option<f64> {
        match goal {
            Goal::Ratio { peer, .. } => {
                let ours = self.series(OURS)?;
                Some(ours.ratio_to(self.series(peer)?))
            }
            Goal::AtMost(_) | Goal::NotAbove(_) => self.figure(OURS),
        }
    }

    /// Whether `goal` is reached; `None` if nobody can tell.
    pub(super) fn is_met(&self, goal: Goal) -> Option<bool> {
        let reached = self.reached(goal)?;
        Some(match goal {
            Goal::Ratio { least, .. } => reached >= least,
            Goal::AtMost(most) => reached <= most,
            Goal::NotAbove(peer) => reached <= self.figure(peer)?,
        })
    }

    /// Requests that failed at `server`.
    fn failed(&self, server: &str) -> u64 {
        self.series(server)
            .map_or(0, |it| it.samples.iter().map(|sample| sample.failed).sum())
    }
}

/// Writes everything that was measured to `path`.
pub(super) fn keep(machine: &Machine, rows: &[Row], path: &Path) -> Result<()> {
    #[derive(Serialize)]
    struct Kept<'a> {
        machine: &'a Machine,
        works: &'a [Row],
    }
    let text = serde_json::to_string_pretty(&Kept {
        machine,
        works: rows,
    })?;
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    say(&format!("all samples are in {}", path.display()));
    Ok(())
}
