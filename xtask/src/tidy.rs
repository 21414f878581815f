//! `cargo xtask tidy`: the rules of this workspace that no compiler checks.
//!
//! Each rule is one small function that returns what breaks it. They read the files that git tracks
//! or would track, so that they say the same before and after a commit.

mod dependencies;
mod documents;
mod layers;
mod manifests;
mod paths;
mod sources;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::checkout::Checkout;
use crate::console::say;
use crate::process::output;

const EXAMPLES: &str = "\
Examples:
  cargo xtask tidy        check all rules; part of `cargo xtask test`

Exit codes: 0 tidy, 1 a rule is broken (each breach is one line), 64 wrong usage.";

/// Flags of `cargo xtask tidy`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {}

/// One breach of one rule, as a line for whoever has to mend it: `file:line: what, and what to do`.
pub(crate) type Breach = String;

/// A tracked text file.
#[derive(Debug)]
struct Source {
    /// Relative to the checkout.
    path: PathBuf,
    text: String,
}

impl Source {
    fn has_extension(&self, extension: &str) -> bool {
        self.path
            .extension()
            .is_some_and(|found| found == extension)
    }

    /// `path:line: ` for a zero-based line number.
    fn breach(&self, line: usize, what: &str) -> Breach {
        format!("{}:{}: {what}", self.path.display(), line + 1)
    }
}

/// Runs all rules.
pub(crate) fn run() -> Result<()> {
    let checkout = Checkout::find()?;
    check(&checkout)
}

/// Runs all rules on `checkout`; fails with the number of breaches after naming each.
pub(crate) fn check(checkout: &Checkout) -> Result<()> {
    let files = files(checkout.root())?;
    let metadata = dependencies::metadata(checkout)?;
    let mut breaches = Vec::new();
    breaches.extend(layers::check(&metadata)?);
    breaches.extend(manifests::members(&files));
    breaches.extend(manifests::reasons(&files));
    breaches.extend(dependencies::banned(checkout)?);
    for file in &files {
        breaches.extend(sources::check(file));
        breaches.extend(paths::check(file, checkout.root()));
        breaches.extend(documents::links(file, checkout.root()));
    }
    breaches.extend(documents::changelog(&files));
    for breach in &breaches {
        say(breach);
    }
    match breaches.len() {
        0 => {
            say(&format!("tidy: {} files follow the rules", files.len()));
            Ok(())
        }
        1 => bail!("one rule is broken once"),
        count => bail!("the rules are broken {count} times"),
    }
}

/// The text files that git tracks, and new ones that it does not ignore.
fn files(root: &Path) -> Result<Vec<Source>> {
    let mut command = Command::new("git");
    command.current_dir(root);
    command.args([
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
    ]);
    let listing = output(&mut command).context("cannot list the files of this checkout")?;
    let mut paths: Vec<_> = listing.split_terminator('\0').map(PathBuf::from).collect();
    paths.sort();
    paths.dedup();
    Ok(paths
        .into_iter()
        .filter_map(|path| {
            // Deleted files, and files that are no text, have nothing to check.
            let text = fs::read_to_string(root.join(&path)).ok()?;
            Some(Source { path, text })
        })
        .collect())
}

#[cfg(test)]
mod tests;
