//! The callers of `crates/pool/examples/callers`, and what they tell.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use super::super::stage::Stage;

/// Some callers of one kind.
#[derive(Debug)]
pub(super) struct Group<'a> {
    pub(super) kind: &'static str,
    pub(super) count: u32,
    pub(super) address: &'a str,
    pub(super) path: &'static str,
}

/// What became of their requests.
#[derive(Debug, Deserialize)]
pub(super) struct Calls {
    pub(super) answered: u64,
    /// By how they were lost.
    pub(super) lost: BTreeMap<String, u64>,
    pub(super) p99_us: f64,
    pub(super) longest_us: f64,
}

impl Calls {
    pub(super) fn lost(&self) -> u64 {
        self.lost.values().sum()
    }

    /// For the record.
    #[expect(clippy::cast_precision_loss, reason = "counts of some seconds")]
    pub(super) fn details(&self) -> BTreeMap<String, f64> {
        let lost = self.lost.iter();
        lost.map(|(how, count)| (format!("lost_{how}"), *count as f64))
            .chain([
                ("answered".to_owned(), self.answered as f64),
                ("longest_ms".to_owned(), self.longest_us / 1000.0),
            ])
            .collect()
    }
}

/// Callers that call. They end when this is dropped.
#[derive(Debug)]
pub(super) struct Callers {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Callers {
    /// Starts them; returns when they have begun. A request that takes longer than `patience` is lost.
    pub(super) fn start(stage: &Stage, patience: Duration, groups: &[Group<'_>]) -> Result<Self> {
        let mut command = Command::new(stage.callers());
        command.arg("run").arg(patience.as_millis().to_string());
        for group in groups {
            command.arg(group.kind).arg(group.count.to_string());
            command.arg(group.address).arg(group.path);
        }
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start the callers")?;
        let input = child.stdin.take();
        let output = child.stdout.take().context("the callers have no output")?;
        let mut this = Self {
            child,
            input,
            output: BufReader::new(output),
        };
        let mut line = String::new();
        this.output.read_line(&mut line)?;
        if line.trim() != "calling" {
            bail!("the callers did not begin");
        }
        Ok(this)
    }

    /// Lets them finish what they wait for.
    pub(super) fn stop(mut self) -> Result<Calls> {
        drop(self.input.take());
        let mut report = String::new();
        self.output.read_to_string(&mut report)?;
        self.child.wait()?;
        serde_json::from_str(&report).context("cannot read what the callers said")
    }
}

impl Drop for Callers {
    fn drop(&mut self) {
        // Ended already, unless something else failed.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
