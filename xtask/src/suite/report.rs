//! What the checks came to, and the count at the end.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::console::{complain, say};

/// Outcomes so far.
#[derive(Debug, Default)]
pub(super) struct Report {
    steps: Vec<(String, Duration, bool)>,
    count: Option<Count>,
}

/// What nextest counted.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) tests: u64,
    pub(super) failed: u64,
    /// Passed, but only when they were run once more.
    pub(super) unsteady: Vec<String>,
}

impl Report {
    /// Runs one check, says how it went at once, and keeps it for the end. True when it passed.
    pub(super) fn step(&mut self, name: &str, run: impl FnOnce() -> Result<()>) -> bool {
        say(&format!("== {name}"));
        let begin = Instant::now();
        let outcome = run();
        if let Err(error) = &outcome {
            complain(error);
        }
        self.steps
            .push((name.to_owned(), begin.elapsed(), outcome.is_ok()));
        outcome.is_ok()
    }

    /// Reads nextest's results and keeps a copy of those of failed tests, with their output.
    pub(super) fn count(&mut self, results: &Path, state: &Path) {
        let Ok(text) = fs::read_to_string(results) else {
            return;
        };
        self.count = Count::parse(&text);
        let clean = |count: &Count| count.failed == 0 && count.unsteady.is_empty();
        if !self.count.as_ref().is_some_and(clean) {
            let copy = state.join("junit.xml");
            if fs::write(&copy, text).is_ok() {
                say(&format!("output of what failed: {}", copy.display()));
            }
        }
    }

    /// The last lines: each check, the count, and an error if anything failed.
    pub(super) fn conclude(&self, elapsed: Duration) -> Result<()> {
        for (name, took, passed) in &self.steps {
            let word = if *passed { "ok" } else { "FAILED" };
            say(&format!("{name:>14}  {word:<6}  {:>5} s", took.as_secs()));
        }
        if let Some(Count {
            tests,
            failed,
            unsteady,
        }) = &self.count
        {
            for name in unsteady {
                say(&format!("UNSTEADY {name}: failed, and passed once more"));
            }
            say(&format!(
                "{tests} tests: {} passed ({} at the second try), {failed} failed",
                tests.saturating_sub(*failed),
                unsteady.len()
            ));
        }
        let (minutes, seconds) = (elapsed.as_secs() / 60, elapsed.as_secs() % 60);
        let failed: Vec<_> = self
            .steps
            .iter()
            .filter(|(_, _, passed)| !passed)
            .map(|(name, ..)| name.as_str())
            .collect();
        if !failed.is_empty() {
            bail!(
                "failed after {minutes} min {seconds} s: {}",
                failed.join(", ")
            );
        }
        say(&format!("all checks passed in {minutes} min {seconds} s"));
        Ok(())
    }
}

impl Count {
    /// The attributes of the first `testsuites` element of nextest's report, and the names of the tests
    /// in it that failed before they passed.
    pub(super) fn parse(junit: &str) -> Option<Self> {
        let element = junit.split_once("<testsuites ")?.1.split_once('>')?.0;
        let number = |name: &str| -> Option<u64> {
            let value = element.split_once(&format!("{name}=\""))?.1;
            value.split_once('"')?.0.parse().ok()
        };
        Some(Self {
            tests: number("tests")?,
            failed: number("failures")? + number("errors")?,
            unsteady: junit
                .split("<testcase ")
                .skip(1)
                .filter(|case| case.contains("<flakyFailure") || case.contains("<flakyError"))
                .filter_map(|case| {
                    Some(case.split_once("name=\"")?.1.split_once('"')?.0.to_owned())
                })
                .collect(),
        })
    }
}

/// Repeats what tests could not check on this machine: each wrote a line to the file `skipped`.
pub(super) fn skipped(state: &Path) {
    let lines = fs::read_to_string(state.join("skipped")).unwrap_or_default();
    // Many tests may miss the same thing.
    for line in lines.lines().collect::<BTreeSet<_>>() {
        say(&format!("SKIPPED {line}"));
    }
}
