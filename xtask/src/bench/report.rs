//! Medians, ratios, the table and the JSON.

use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;

use crate::console::say;

/// One server in one round of one work.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Sample {
    /// CPU time for one request, in microseconds; for works about memory, KiB a connection.
    pub(super) cost: f64,
    /// Requests a second.
    pub(super) rate: f64,
    /// 99th percentile (HTTP/2: maximum) of the time to an answer, in microseconds.
    pub(super) p99_us: f64,
    /// Failed requests.
    pub(super) failed: u64,
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
#[derive(Debug, Serialize)]
pub(super) struct Row {
    /// The work.
    pub(super) work: String,
    /// What should be reached.
    pub(super) goal: Goal,
    /// Ours first.
    pub(super) series: Vec<Series>,
}

/// What a work should reach.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Goal {
    /// Requests per CPU second, ours divided by nginx's, at least.
    Ratio(f64),
    /// KiB a connection, at most.
    KiB(f64),
}

/// The machine.
#[derive(Debug, Serialize)]
pub(super) struct Machine {
    cores: usize,
    processor: String,
    kernel: String,
    versions: Vec<String>,
}

impl Machine {
    /// This one; `versions` are the peers'.
    pub(super) fn this(versions: Vec<String>) -> Self {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let processor = read("/proc/cpuinfo")
            .lines()
            .find_map(|line| line.strip_prefix("model name"))
            .map_or_else(String::new, |name| {
                name.trim_start_matches([' ', '\t', ':']).to_owned()
            });
        Self {
            cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            processor,
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            versions,
        }
    }

    fn line(&self) -> String {
        format!(
            "{} cores, {}, Linux {}; {}",
            self.cores,
            self.processor,
            self.kernel,
            self.versions.join(", ")
        )
    }
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

impl Series {
    fn median(&self, figure: impl Fn(&Sample) -> f64) -> f64 {
        median(self.samples.iter().map(figure))
    }

    /// How much more work a CPU second of ours does than one of `peer`: the median over the rounds.
    fn ratio_to(&self, peer: &Self) -> f64 {
        median(
            self.samples
                .iter()
                .zip(&peer.samples)
                .map(|(ours, theirs)| theirs.cost / ours.cost),
        )
    }
}

impl Row {
    fn series(&self, server: &str) -> Option<&Series> {
        self.series.iter().find(|series| series.server == server)
    }

    /// What it reached, by the measure of its goal.
    pub(super) fn reached(&self) -> Option<f64> {
        let ours = self.series("kiuas")?;
        match self.goal {
            Goal::Ratio(_) => Some(ours.ratio_to(self.series("nginx")?)),
            Goal::KiB(_) => Some(ours.median(|sample| sample.cost)),
        }
    }

    fn is_met(&self) -> bool {
        match (self.reached(), self.goal) {
            (Some(reached), Goal::Ratio(goal)) => reached >= goal,
            (Some(reached), Goal::KiB(goal)) => reached <= goal,
            (None, _) => false,
        }
    }

    /// One line of the table.
    pub(super) fn line(&self, peers: &[String]) -> String {
        let goal = match self.goal {
            Goal::Ratio(goal) => format!("≥ {goal:.2}"),
            Goal::KiB(goal) => format!("≤ {goal:.0} KiB"),
        };
        let reached = self.reached().map_or_else(
            || "–".to_owned(),
            |reached| match self.goal {
                Goal::Ratio(_) => format!("{reached:.2}"),
                Goal::KiB(_) => format!("{reached:.1} KiB"),
            },
        );
        let mark = if self.is_met() { " " } else { "!" };
        let failed: u64 = self
            .series
            .iter()
            .filter(|series| series.server == "kiuas")
            .flat_map(|series| &series.samples)
            .map(|sample| sample.failed)
            .sum();
        let mut line = format!("{:<34} {goal:>9} {reached:>9} {mark}", self.work);
        for server in std::iter::once("kiuas").chain(peers.iter().map(String::as_str)) {
            let figure = self.series(server).map_or_else(
                || "–".to_owned(),
                |series| {
                    format!(
                        "{:.1}/{:.1}",
                        series.median(|sample| sample.cost),
                        series.median(|sample| sample.p99_us) / 1000.0
                    )
                },
            );
            line.push_str(&format!(" {figure:>13}"));
        }
        if failed > 0 {
            line.push_str(&format!("  {failed} of our requests failed"));
        }
        line
    }
}

/// The head of the table.
pub(super) fn head(machine: &Machine, peers: &[String]) -> String {
    let mut head = format!(
        "{}\nmicroseconds of CPU for a request / milliseconds to the 99th percentile; medians\n{:<34} {:>9} {:>9}  ",
        machine.line(),
        "work",
        "goal",
        "reached"
    );
    for server in std::iter::once("kiuas").chain(peers.iter().map(String::as_str)) {
        head.push_str(&format!(" {server:>13}"));
    }
    head
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
