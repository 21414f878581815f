//! How evenly connections that stay open are spread over the children.

use std::collections::BTreeMap;
use std::process::Command;

use anyhow::{Context, Result};
use serde::Deserialize;

use super::super::super::report::Sample;
use super::super::contender::Contender;
use super::super::stage::{Layout, Running, Stage};
use crate::process::output;

const CHILDREN: u32 = 4;
const CONNECTIONS: u32 = 64;

#[derive(Debug, Deserialize)]
struct Spread {
    /// Connections by process.
    counts: BTreeMap<String, u32>,
}

pub(super) fn measure(contender: Contender, stage: &Stage, at_once: bool) -> Result<Sample> {
    let server = Running::start(contender, Layout::of(CHILDREN, 1), stage)?;
    let mut command = Command::new(stage.callers());
    command.arg("spread").arg(CONNECTIONS.to_string());
    command.arg(server.address().to_string());
    command.arg(if at_once { "at-once" } else { "one-by-one" });
    let text = output(&mut command)?;
    let spread: Spread =
        serde_json::from_str(&text).context("cannot read what the callers said")?;
    let mut counts: Vec<u32> = spread.counts.into_values().collect();
    // Who has none does not answer.
    while counts.len() < CHILDREN as usize {
        counts.push(0);
    }
    let details = ["a", "b", "c", "d"].into_iter().zip(&counts);
    Ok(Sample {
        figure: f64::from(farthest(&counts)),
        details: details
            .map(|(child, count)| (format!("child_{child}"), f64::from(*count)))
            .collect(),
        ..Sample::default()
    })
}

/// The largest difference from an even spread.
pub(super) fn farthest(counts: &[u32]) -> u32 {
    let even = CONNECTIONS / CHILDREN;
    let differences = counts.iter().map(|count| count.abs_diff(even));
    differences.max().unwrap_or(0)
}
