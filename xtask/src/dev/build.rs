//! Building the programs, and which of them a build has changed.
//!
//! The stack runs links to the programs, in a directory of its own: what cargo does to `target/`
//! meanwhile (an unfinished build, the tests' build with other features) never reaches a process that
//! is restarted.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::PURPOSE;
use crate::checkout::Checkout;
use crate::process::cargo;
use crate::stack::{PROGRAMS, Programs};

const PIECE: usize = 256 * 1024;

/// How the programs are built, and where the stack keeps its own.
#[derive(Debug)]
pub(super) struct Build {
    root: PathBuf,
    built: PathBuf,
    running: PathBuf,
    release: bool,
}

impl Build {
    /// The build of `checkout`, or what was built in the directory `programs`.
    pub(super) fn new(checkout: &Checkout, release: bool, programs: Option<&Path>) -> Result<Self> {
        let profile = if release { "release" } else { "debug" };
        let running = checkout.state(PURPOSE)?.join("bin");
        fs::create_dir_all(&running)
            .with_context(|| format!("cannot make {}", running.display()))?;
        Ok(Self {
            root: checkout.root().to_owned(),
            built: programs.map_or_else(|| checkout.target().join(profile), Path::to_owned),
            running,
            release,
        })
    }

    /// The command that builds all three programs.
    pub(super) fn command(&self) -> Command {
        let mut command = cargo();
        command.current_dir(&self.root);
        command.args(["build", "--package=kiuas-pool", "--package=kiuas-proxy"]);
        command.arg("--package=site");
        if self.release {
            command.arg("--release");
        }
        command
    }

    /// The programs as cargo left them.
    pub(super) fn fresh(&self) -> Programs {
        Programs::at(self.built.clone())
    }

    /// The programs that differ from those in use.
    pub(super) fn changed(&self) -> Result<Vec<&'static str>> {
        let mut changed = Vec::new();
        for name in PROGRAMS {
            let (built, running) = (self.built.join(name), self.running.join(name));
            let same = same_content(&built, &running)
                .with_context(|| format!("cannot compare {}", built.display()))?;
            if !same {
                changed.push(name);
            }
        }
        Ok(changed)
    }

    /// Puts the built program `name` into use, in one step.
    pub(super) fn adopt(&self, name: &str) -> Result<()> {
        let (built, running) = (self.built.join(name), self.running.join(name));
        let next = running.with_extension("next");
        drop(fs::remove_file(&next));
        fs::hard_link(&built, &next)
            // Another file system.
            .or_else(|_| fs::copy(&built, &next).map(drop))
            .and_then(|()| fs::rename(&next, &running))
            .with_context(|| format!("cannot put {} into use", built.display()))
    }

    /// Puts all built programs into use.
    pub(super) fn adopt_all(&self) -> Result<Programs> {
        for name in PROGRAMS {
            self.adopt(name)?;
        }
        Ok(Programs::at(self.running.clone()))
    }
}

/// Compares whole files: cargo may link the same program anew.
pub(super) fn same_content(one: &Path, other: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;

    let Ok(other_metadata) = other.metadata() else {
        return Ok(false);
    };
    let metadata = one.metadata()?;
    if metadata.len() != other_metadata.len() {
        return Ok(false);
    }
    if (metadata.dev(), metadata.ino()) == (other_metadata.dev(), other_metadata.ino()) {
        return Ok(true);
    }
    let (mut one, mut other) = (File::open(one)?, File::open(other)?);
    let (mut left, mut right) = (vec![0; PIECE], vec![0; PIECE]);
    loop {
        let length = one.read(&mut left)?;
        if length == 0 {
            return Ok(true);
        }
        other.read_exact(&mut right[..length])?;
        if left[..length] != right[..length] {
            return Ok(false);
        }
    }
}
