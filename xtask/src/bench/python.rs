//! The peers that are written for Python: virtual environments, made once a checkout and kept.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::checkout::Checkout;
use crate::console::say;
use crate::interrupt::Interrupt;
use crate::process::{output, succeed};

/// Writes the version of each package named in its arguments, if it is there.
const VERSIONS: &str = "
import importlib.metadata, platform, sys
print('Python', platform.python_version())
for name in sys.argv[1:]:
    try:
        print(name, importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        pass
";

/// What is measured that needs Python.
#[derive(Debug)]
pub(super) struct Environment {
    /// Its directory in `.kiuas/bench`.
    pub(super) name: &'static str,
    /// The peers in it, in words.
    pub(super) peers: &'static str,
    /// Installed one after another; only the first must succeed.
    pub(super) requirements: &'static [&'static [&'static str]],
    /// Packages whose versions belong to the result.
    pub(super) packages: &'static [&'static str],
}

impl Environment {
    /// The directory of its programs; `None`, loudly, where there is no Python.
    pub(super) fn provide(
        &self,
        checkout: &Checkout,
        may_install: bool,
        interrupt: &Interrupt,
    ) -> Result<Option<PathBuf>> {
        let directory = checkout.state("bench")?.join(self.name);
        // Written last: a half-made environment is made again.
        let complete = directory.join("complete");
        let wanted = self.requirements.concat().join("\n");
        if fs::read_to_string(&complete).ok().as_deref() == Some(wanted.as_str()) {
            return Ok(Some(directory.join("bin")));
        }
        let peers = self.peers;
        if !may_install {
            say(&format!(
                "SKIPPING {peers}: --no-install forbids to install them"
            ));
            return Ok(None);
        }
        say(&format!("making a Python environment with {peers}, once"));
        match self.make(&directory, interrupt) {
            Ok(()) => {
                fs::write(&complete, wanted).context("cannot mark the environment as complete")?;
                Ok(Some(directory.join("bin")))
            }
            Err(error) => {
                interrupt.check()?;
                say(&format!("SKIPPING {peers}: {error:#}"));
                Ok(None)
            }
        }
    }

    fn make(&self, directory: &Path, interrupt: &Interrupt) -> Result<()> {
        let mut command = Command::new("python3");
        command.args(["-m", "venv", "--clear"]).arg(directory);
        succeed(&mut command, interrupt)?;
        for (index, together) in self.requirements.iter().enumerate() {
            let mut command = Command::new(directory.join("bin/pip"));
            command.args(["install", "--quiet", "--disable-pip-version-check"]);
            command.args(*together);
            match succeed(&mut command, interrupt) {
                Ok(()) => {}
                Err(error) if index == 0 => return Err(error),
                Err(error) => {
                    interrupt.check()?;
                    say(&format!("SKIPPING {}: {error:#}", together.join(", ")));
                }
            }
        }
        Ok(())
    }

    /// What is installed in it.
    pub(super) fn versions(&self, programs: &Path) -> Result<Vec<String>> {
        let mut command = Command::new(programs.join("python"));
        command.args(["-c", VERSIONS]).args(self.packages);
        Ok(output(&mut command)?.lines().map(str::to_owned).collect())
    }
}
